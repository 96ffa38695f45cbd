"""People: accounts, invitations, passwords and what administrators can do with them."""
