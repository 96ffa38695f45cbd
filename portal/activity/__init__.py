"""The history: seals that show whether somebody tampered with it."""
