"""Other programs on the portal's tables. They run in an environment of their own, from peers.txt."""
