"""The visual browser of the database."""
