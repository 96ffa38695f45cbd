"""One search over pages, actions and the rows of all resources; keyboard shortcuts."""
