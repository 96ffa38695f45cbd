"""Emails to people, written and sent by a worker."""
