"""Refresh tokens: one row a sign-in, kept as SHA-256."""
