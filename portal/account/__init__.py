"""Pages for the signed-in person's own account."""
