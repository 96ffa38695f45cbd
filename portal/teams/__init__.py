"""Teams: groups of people inside an organization."""
