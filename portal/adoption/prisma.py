"""Check whether a database has the former backend's Prisma schema, and nothing that would be lost."""

# ruff: noqa: S608 -- the statements are made of constants alone
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection

from portal.core.db import db
from portal.postgres import preflight

KEPT = "prisma_before"  # the schema to which the seed's tables are moved
MIGRATIONS = "_prisma_migrations"  # missing if the schema was pushed without migrations

KINDS = {
    "key": ("text", "character varying", "uuid"),
    "text": ("text", "character varying"),
    "role": ('"Role"', "text"),
    "flag": ("boolean",),
    "moment": ("timestamp without time zone", "timestamp with time zone"),
}
# A question mark follows nullable types.
TABLES: dict[str, dict[str, str]] = {
    "organizations": {
        "id": "key", "name": "text", "slug": "text",
        "created_at": "moment", "updated_at": "moment", "deleted_at": "moment?",
    },
    "users": {
        "id": "key", "email": "text", "password": "text", "first_name": "text?", "last_name": "text?",
        "role": "role", "is_active": "flag", "email_verified": "flag", "organization_id": "key?",
        "created_at": "moment", "updated_at": "moment", "deleted_at": "moment?",
        "created_by": "key?", "updated_by": "key?",
    },
    "refresh_tokens": {
        "id": "key", "token": "text", "user_id": "key", "organization_id": "key?",
        "expires_at": "moment", "created_at": "moment", "revoked_at": "moment?",
    },
}  # fmt: skip
OURS = "ARRAY['organizations', 'users', 'refresh_tokens']::regclass[]"

RELATIONS = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind <> 'i'"
COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, NULL) FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
"""

# Everything that reads, references or extends the tables.
DEPENDENTS = f"""
SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0) FROM pg_depend d
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY ({OURS}) AND (
    d.classid IN ('pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_rewrite'::regclass)
    OR d.deptype = 'n' AND NOT (d.classid = 'pg_constraint'::regclass AND EXISTS (
        SELECT FROM pg_constraint c WHERE c.oid = d.objid AND c.conrelid = ANY ({OURS}))))
ORDER BY 1
"""
FOREIGN = f"""
SELECT format('The table %%s belongs to the role %%s, which the login of DATABASE_URL can''t switch to.',
    relname, pg_get_userbyid(relowner))
FROM pg_class WHERE oid = ANY ({OURS}) AND NOT pg_has_role(relowner, 'USAGE') ORDER BY relname
"""
RIGHTS = f"""
SELECT format('The schema {KEPT} of an earlier adoption still exists. Drop it first.')
WHERE EXISTS (SELECT FROM pg_namespace WHERE nspname = '{KEPT}')
"""
UNFINISHED = f"SELECT migration_name FROM {MIGRATIONS} WHERE finished_at IS NULL AND rolled_back_at IS NULL"

GRANTS = f"""
SELECT format('%%s (%%s)', coalesce(nullif(grantee, 0)::regrole::text, 'PUBLIC'),
    string_agg(DISTINCT c.relname, ', ' ORDER BY c.relname))
FROM pg_class c, aclexplode(c.relacl) WHERE c.oid = ANY ({OURS}) AND grantee <> c.relowner
GROUP BY grantee ORDER BY 1
"""
CONNECTIONS = """
SELECT coalesce(nullif(application_name, ''), 'one without a name') FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
SUPER_ADMINS = "SELECT id FROM users WHERE deleted_at IS NULL AND is_active AND role::text = 'SUPER_ADMIN' LIMIT 1"

Columns = Mapping[str, Mapping[str, str]]


def obstacles(connection: Connection) -> list[str]:
    """Messages about everything that prevents an adoption; none if the database contains only the former schema."""
    relations = set(_names(connection, RELATIONS))
    if "alembic_version" in relations:
        return ["This database is already the portal's: run `flask db upgrade`."]
    if not relations & set(TABLES):
        return ["This database has none of the former backend's tables. For a new portal, run `flask db upgrade`."]
    columns = columns_of(connection)
    return list(_differences(columns)) or list(_surroundings(connection, relations))


def columns_of(connection: Connection) -> dict[str, dict[str, str]]:
    """The type of each column of each table."""
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in connection.exec_driver_sql(COLUMNS):
        found.setdefault(table, {})[column] = kind
    return found


def _differences(found: Columns) -> Iterator[str]:
    for table, wanted in TABLES.items():
        if table not in found:
            yield f"This is not the former backend's database: the table {table} is missing."
            continue
        for name, kind in wanted.items():
            actual = found[table].get(name)
            if actual is None:
                yield f"This is not the former backend's database: the column {table}.{name} is missing."
            elif actual not in KINDS[kind.rstrip("?")]:
                yield f"This is not the former backend's database: {table}.{name} has the type {actual}."
        for name in found[table].keys() - wanted.keys():
            yield (
                f"The portal has no column for {table}.{name}, so its values would be lost."
                " Copy them elsewhere and drop the column first."
            )


def _surroundings(connection: Connection, relations: set[str]) -> Iterator[str]:
    for name in sorted(relations & (set(db.metadata.tables) - set(TABLES))):
        yield f"The database already contains a table {name}, which the portal would create. Rename it first."
    for name in _names(connection, DEPENDENTS):
        yield f"The {name} depends on the former tables. Drop it first, and create it again for the portal's tables."
    for query in (FOREIGN, RIGHTS):
        yield from _names(connection, query)
    yield from preflight.obstacles(connection)
    if MIGRATIONS in relations:
        for name in _names(connection, UNFINISHED):
            yield f"The Prisma migration {name} failed. Finish or resolve it with Prisma first."


def notices(connection: Connection) -> Iterator[str]:
    """Notes that don't prevent the adoption."""
    if not _names(connection, SUPER_ADMINS):
        yield "There is no SUPER_ADMIN who can sign in. Create one afterwards with `flask seed`."
    if granted := _names(connection, GRANTS):
        yield f"Privileges of other roles will be lost. Grant them again afterwards: {'; '.join(granted)}."
    if others := _names(connection, CONNECTIONS):
        named = ", ".join(others)
        yield f"Other programs are connected and will wait or fail: {named}. Stop the former backend first."


def _names(connection: Connection, query: str) -> list[Any]:
    return list(connection.exec_driver_sql(query, ()).scalars())
