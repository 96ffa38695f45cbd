"""The data browser."""
