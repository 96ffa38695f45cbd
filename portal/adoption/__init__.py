"""Adopt the former backend's database: convert it to the portal's schema."""
