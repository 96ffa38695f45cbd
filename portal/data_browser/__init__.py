"""The data browser: read-only pages of all tables, and SQL queries."""
