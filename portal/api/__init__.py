"""JSON for programs: signing in, refreshing, and who one is."""
