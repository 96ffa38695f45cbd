"""Test the isolation between tenants: a rehearsed attack on a copy of every page."""
