"""The commands of `flask`: they call the commands of other modules and contain no logic."""
