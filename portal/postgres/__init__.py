"""The PostgreSQL server and its schema: embedded server, catalog, migrations, roles, extensions."""
