"""Move the former backend's rows into the portal's tables, in one transaction."""

# ruff: noqa: S608 -- the statements are made of constants alone
from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module

import click
from flask import current_app
from sqlalchemy import Connection

from portal.adoption.prisma import KEPT, MIGRATIONS, TABLES
from portal.adoption.unconvertible import Spelling, as_key, lowered, organizations, people
from portal.core.actions import Action
from portal.core.batch import IMPORT_TRIGGERS, without_triggers
from portal.core.db import MIGRATION_LOCK

SETTINGS = {
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": "4s",
    "maintenance_work_mem": "256MB",
    "timezone": "UTC",
}
BUSY = "A migration or another adoption is running in this database. Nothing was changed."
LOST = "Only {found:,} of {wanted:,} rows of {table} could be moved. Nothing was changed."

# The sessions of refresh tokens exist already.
SILENT = {"organizations": IMPORT_TRIGGERS, "users": IMPORT_TRIGGERS, "refresh_tokens": ("open_session",)}

INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid = %(table)s::regclass AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""
REFERENCES = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %(table)s::regclass AND contype = 'f'
"""
ADOPTION = Action("adopt", "migrated the data of the former backend", "Migrated data", "plus")
EVENT = """
SELECT portal_record(%(action)s, NULL, 'SYSTEM', NULL, NULL, NULL, jsonb_build_object(
    'organizations', jsonb_build_array(0, %(organizations)s), 'people', jsonb_build_array(0, %(users)s),
    'refresh tokens', jsonb_build_array(0, %(refresh_tokens)s)), false)
"""


def lock(connection: Connection) -> None:
    """Prevent other migrations, and any access to the former tables, until the transaction ends."""
    calls = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in SETTINGS.items())
    connection.exec_driver_sql(f"SELECT {calls}")
    if not connection.exec_driver_sql("SELECT pg_try_advisory_xact_lock(%s)", (MIGRATION_LOCK,)).scalar():
        raise click.ClickException(BUSY)
    if _there(connection, "public"):
        connection.exec_driver_sql(f"LOCK TABLE {', '.join(_there(connection, 'public'))} IN ACCESS EXCLUSIVE MODE")


def take_over(connection: Connection, spelling: Spelling) -> dict[str, int]:
    """Create the portal's tables, fill them, and keep the former ones without tokens. Returns the rows per table."""
    _move_aside(connection)
    _migrate(connection)
    statements = {
        "organizations": _organizations(connection),
        "users": _users(connection),
        "sessions": _sessions(connection),
        "refresh_tokens": _refresh_tokens(connection),
    }
    moved = {table: _fill(connection, table, query, spelling) for table, query in statements.items()}
    _compare(connection, moved)
    connection.exec_driver_sql(f"DROP TABLE {KEPT}.refresh_tokens")  # it contains them in plain text
    connection.exec_driver_sql(EVENT, {"action": ADOPTION.name, **moved})
    return moved


def drop(connection: Connection) -> None:
    """Drop the former tables. Fails if their schema contains other objects, or other objects depend on them."""
    connection.exec_driver_sql(f"DROP TABLE {', '.join(f'{KEPT}.{name}' for name in kept(connection))}")
    connection.exec_driver_sql(f'DROP TYPE IF EXISTS {KEPT}."Role"')
    connection.exec_driver_sql(f"DROP SCHEMA {KEPT}")


def kept(connection: Connection) -> list[str]:
    """The former tables that an earlier adoption kept."""
    return _there(connection, KEPT)


def _there(connection: Connection, schema: str) -> list[str]:
    query = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relname = ANY (%s) ORDER BY 1"
    return list(connection.exec_driver_sql(query, (schema, [*TABLES, MIGRATIONS])).scalars())


def _move_aside(connection: Connection) -> None:
    """Move tables with their indexes, constraints and privileges, so that the names become free."""
    connection.exec_driver_sql(f"CREATE SCHEMA {KEPT}")
    for table in _there(connection, "public"):
        connection.exec_driver_sql(f"ALTER TABLE {table} SET SCHEMA {KEPT}")
    if connection.exec_driver_sql("""SELECT to_regtype('public."Role"') IS NOT NULL""").scalar():
        connection.exec_driver_sql(f'ALTER TYPE "Role" SET SCHEMA {KEPT}')


def _migrate(connection: Connection) -> None:
    config = current_app.extensions["migrate"].migrate.get_config()
    config.attributes["connection"] = connection
    import_module("alembic.command").upgrade(config, "head")


def _fill(connection: Connection, table: str, query: str, spelling: Spelling) -> int:
    """Insert the rows, then create indexes and check foreign keys, which takes a fraction of the time."""
    with _timed(f"Filling {table}"):
        later = list(_set_aside(connection, table))
        with without_triggers(connection, table, SILENT.get(table, ())):
            many = connection.exec_driver_sql(query, spelling.parameters).rowcount
        connection.exec_driver_sql(f"ANALYZE {table}")
    for name, statement in later:
        with _timed(f"Creating {name}"):
            connection.exec_driver_sql(statement)
    return many


def _set_aside(connection: Connection, table: str) -> Iterator[tuple[str, str]]:
    """Drop the indexes and foreign keys of an empty table. Yields the statements that create them again."""
    for name, definition in connection.exec_driver_sql(INDEXES, {"table": table}).all():
        connection.exec_driver_sql(f"DROP INDEX {name}")
        yield name, definition
    for name, definition in connection.exec_driver_sql(REFERENCES, {"table": table}).all():
        connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        yield name, f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"


@contextmanager
def _timed(what: str) -> Iterator[None]:
    click.echo(f"{what} ...", err=True, nl=False)
    began = time.monotonic()
    yield
    click.echo(f" {time.monotonic() - began:.1f} s", err=True)


def _compare(connection: Connection, moved: Mapping[str, int]) -> None:
    """Check that all organizations and people were moved. Only refresh tokens without an owner may be missing."""
    for table in ("organizations", "users"):
        query = f"SELECT count(*) FROM {KEPT}.{table}"
        wanted = connection.exec_driver_sql(query).scalar()
        if moved[table] != wanted:
            raise click.ClickException(LOST.format(table=table, found=moved[table], wanted=wanted))


def _moments(connection: Connection, table: str, alias: str, *names: str) -> str:
    """Timestamp columns as UTC, because the former backend writes UTC into columns without a time zone."""
    query = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND atttypid = 'timestamp'::regtype"
    bare = set(connection.exec_driver_sql(query, (f"{KEPT}.{table}",)).scalars())
    return ", ".join(f"{alias}.{name} AT TIME ZONE 'UTC'" if name in bare else f"{alias}.{name}" for name in names)


def _organizations(connection: Connection) -> str:
    moments = _moments(connection, "organizations", "o", "created_at", "updated_at", "deleted_at")
    return f"""
INSERT INTO organizations (id, name, slug, created_at, updated_at, deleted_at)
SELECT {as_key("o.id")}, o.name, o.short, {moments} FROM {organizations(KEPT)} o
"""


def _users(connection: Connection) -> str:
    """Deleted people get deleted_by from updated_by, where the former backend stores who deleted them."""
    moments = _moments(connection, "users", "u", "created_at", "updated_at", "deleted_at")
    changer = as_key("changer.id")
    return f"""
INSERT INTO users (id, email, password, first_name, last_name, role, is_active, email_verified, organization_id,
    created_at, updated_at, deleted_at, created_by, updated_by, deleted_by)
SELECT {as_key("u.id")}, u.address, u.password, u.first_name, u.last_name, u.role::text::"Role", u.is_active,
    u.email_verified, home.id, {moments}, {as_key("maker.id")}, {changer},
    CASE WHEN u.deleted_at IS NOT NULL THEN {changer} END
FROM {people(KEPT)} u
LEFT JOIN organizations home ON home.id::text = {lowered("u.organization_id")}
LEFT JOIN {KEPT}.users maker ON {lowered("maker.id")} = {lowered("u.created_by")}
LEFT JOIN {KEPT}.users changer ON {lowered("changer.id")} = {lowered("u.updated_by")}
"""


def _sessions(connection: Connection) -> str:
    """Each refresh token gets its own session, because it is unknown which of them belong together."""
    created, expires, revoked = _tokens_moments(connection)
    return f"""
INSERT INTO sessions (
    id, user_id, organization_id, idle, created_at, authenticated_at, used_at, expires_at, ends_at, ended_at
)
SELECT {as_key("t.id")}, u.id, u.organization_id, greatest(t.expires_at - t.created_at, '0'),
    {created}, {created}, {created}, {expires}, {expires}, {revoked}
FROM {KEPT}.refresh_tokens t JOIN users u ON u.id::text = {lowered("t.user_id")}
"""


def _refresh_tokens(connection: Connection) -> str:
    created, expires, revoked = _tokens_moments(connection)
    return f"""
INSERT INTO refresh_tokens (id, token, user_id, organization_id, session_id, expires_at, created_at, revoked_at)
SELECT {as_key("t.id")}, encode(sha256(convert_to(t.token, 'UTF8')), 'hex'), u.id, u.organization_id,
    {as_key("t.id")}, {expires}, {created}, {revoked}
FROM {KEPT}.refresh_tokens t JOIN users u ON u.id::text = {lowered("t.user_id")}
"""


def _tokens_moments(connection: Connection) -> list[str]:
    return _moments(connection, "refresh_tokens", "t", "created_at", "expires_at", "revoked_at").split(", ")
