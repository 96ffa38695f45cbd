"""Find the PostgreSQL extensions that the portal needs, which may be in any schema.

Migrations refer to their objects without a schema, in indexes, generated columns and SQL functions whose body is parsed
at creation: these resolve the names once. Other functions resolve names at run time, and must not use them.
"""

from __future__ import annotations

from sqlalchemy import Connection, Row, text

EXTENSIONS = ("btree_gin", "pg_trgm")
INSTALLED = text("""
SELECT extname AS name, quote_ident(nspname) AS schema, has_schema_privilege(n.oid, 'USAGE') AS is_usable
FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = ANY (:names) ORDER BY extname
""")


def installed(connection: Connection) -> dict[str, Row[tuple[str, str, bool]]]:
    """Installed extensions by name: their schema, and whether the login may use it."""
    return {row.name: row for row in connection.execute(INSTALLED, {"names": list(EXTENSIONS)})}


def find(connection: Connection, *, lasting: bool = False) -> None:
    """Put the extensions' schemas on the search path until the transaction, or the session, ends."""
    path = ", ".join(dict.fromkeys(("public", *(row.schema for row in installed(connection).values()))))
    setting = text("SELECT set_config('search_path', :path, :is_local)")
    connection.execute(setting, {"path": path, "is_local": not lasting})
