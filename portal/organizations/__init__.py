"""Organizations, the tenants."""
