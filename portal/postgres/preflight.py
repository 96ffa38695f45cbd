"""Check that all migrations can be applied, before the first statement that changes anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, Engine, text

from portal.core.errors import UnsuitableDatabase
from portal.postgres import migrations
from portal.postgres.extensions import EXTENSIONS, installed
from portal.postgres.roles import ensure_roles

QUEUE = "queue"
UNMODELED = ("activity_seals", "activity_leaves", "activity_repeats")  # tables used only by SQL functions

STANDBY = (
    "The server in DATABASE_URL is a read-only standby: use the primary, or several hosts with"
    " target_session_attrs=read-write."
)
READ_ONLY = "Transactions of this database or login are read-only (default_transaction_read_only); nothing was changed."
NO_PUBLIC = "The database has no schema public, which the portal's tables are in: run CREATE SCHEMA public."
NO_TABLES = "{login} can't create tables in schema public: its owner must run GRANT CREATE ON SCHEMA public TO {login}."
NO_SCHEMAS = (
    "{login} can't create schemas in the database {database}: its owner must run"
    " GRANT CREATE ON DATABASE {database} TO {login}."
)
IN_THE_WAY = (
    "The database already contains objects that the portal would create: {}."
    " (To take over the former backend's database, run `flask database adopt`.)"
)
OTHERS = "{} belong to another login: run ALTER TABLE ... OWNER TO {login} for each."
NEWER = "The database is newer than this code: run the version of the portal that migrated it."
UNRELEASED = (
    "The database was created by a version from before the first release and can't be upgraded:"
    " run `flask database reset` to create it again. This deletes everything in it."
)
UNRELEASED_MIGRATIONS = frozenset(f"{number:04}" for number in range(1, 21))
NO_LETTERS = (
    "The database, {}, can't lowercase non-English letters: create it again with"
    " ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0."
)
NOT_INSTALLED = "The extension {} is not available on the database server: install PostgreSQL's contrib package there."
NOT_CREATED = "{login} can't create the extension {}: a server administrator must run CREATE EXTENSION {}."
NO_USAGE = (
    "{login} can't use the schema {schema}, where the extension {} is:"
    " its owner must run GRANT USAGE ON SCHEMA {schema} TO {login}."
)

LOGIN = text("""
SELECT quote_ident(current_user) AS login, quote_ident(current_database()) AS database,
    pg_is_in_recovery() AS is_standby, current_setting('default_transaction_read_only') = 'on' AS is_read_only,
    to_regnamespace('public') IS NOT NULL AS has_public,
    to_regnamespace('public') IS NOT NULL AND has_schema_privilege('public', 'CREATE') AS makes_tables,
    has_database_privilege(current_database(), 'CREATE') AS makes_schemas,
    to_regnamespace(:queue) IS NOT NULL AS has_queue
""")
LETTERS = text("""
SELECT lower('ÄÉŁ') = 'äéł' AS folds,
    coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale', datcollate) AS locale
FROM pg_database d WHERE datname = current_database()
""")
CREATABLE = text("""
SELECT a.name, bool_or(NOT v.superuser OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
    OR v.trusted AND has_database_privilege(current_database(), 'CREATE')) AS is_creatable
FROM pg_available_extensions a JOIN pg_available_extension_versions v
    ON v.name = a.name AND v.version = a.default_version
WHERE a.name = ANY (:names) GROUP BY a.name
""")
RELATIONS = text("""
SELECT relname, pg_has_role(relowner, 'USAGE') FROM pg_class
WHERE relnamespace = to_regnamespace('public') AND relkind <> 'i' AND relname = ANY (:names) ORDER BY relname
""")


def refuse_unmigratable(connection: Connection, tables: Sequence[str]) -> None:
    """Raise UnsuitableDatabase unless all pending migrations can be applied. Create the roles that they need."""
    if migrations.are_pending(connection):
        for sentence in obstacles(connection, (*tables, *UNMODELED)):
            raise UnsuitableDatabase(sentence)
        ensure_roles(connection)


def try_reading(engine: Engine, table: str) -> None:
    """Read from a table, so that a failure is raised here, with its cause."""
    with engine.connect() as connection:
        connection.execute(text(f"SELECT FROM {table} LIMIT 0"))  # noqa: S608 -- one of our own names


def obstacles(connection: Connection, tables: Sequence[str] = ()) -> Iterator[str]:
    """Messages about everything that prevents the migrations from being applied, and who can fix it.

    `tables` are those that the migrations create; a new database must contain none of them.
    """
    found = connection.execute(LOGIN, {"queue": QUEUE}).one()
    applied = migrations.applied(connection)
    if found.is_standby:
        yield STANDBY
    if found.is_read_only:
        yield READ_ONLY
    if unknown := unknown_migrations(applied):
        yield unknown
    if not found.has_public:
        yield NO_PUBLIC
    elif not found.makes_tables:
        yield NO_TABLES.format(login=found.login)
    if not found.has_queue and not found.makes_schemas:
        yield NO_SCHEMAS.format(login=found.login, database=found.database)
    yield from _missing_extensions(connection, found.login)
    if applied:
        yield from _tables_of_others(connection, found.login, tables)
    else:
        yield from _odds(connection, tables, has_queue=found.has_queue)


def unknown_migrations(applied: frozenset[str]) -> str | None:
    """Why the database has migrations that this code doesn't contain, as a message, or None."""
    if applied <= migrations.known():
        return None
    return UNRELEASED if applied <= UNRELEASED_MIGRATIONS else NEWER


def _odds(connection: Connection, tables: Sequence[str], *, has_queue: bool) -> Iterator[str]:
    """Obstacles that matter only before the first migration."""
    letters = connection.execute(LETTERS).one()
    if not letters.folds:
        yield NO_LETTERS.format(letters.locale)
    names = [f"the table {name}" for name, _ in connection.execute(RELATIONS, {"names": list(tables)})]
    if tables and has_queue:
        names.append(f"the schema {QUEUE}")
    if names:
        yield IN_THE_WAY.format(", ".join(names))


def _tables_of_others(connection: Connection, login: str, tables: Sequence[str]) -> Iterator[str]:
    found = connection.execute(RELATIONS, {"names": list(tables)})
    if others := [name for name, is_own in found if not is_own]:
        yield OTHERS.format(", ".join(others), login=login)


def _missing_extensions(connection: Connection, login: str) -> Iterator[str]:
    there = installed(connection)
    creatable = {row.name: row.is_creatable for row in connection.execute(CREATABLE, {"names": list(EXTENSIONS)})}
    for name in EXTENSIONS:
        if name in there:
            if not there[name].is_usable:
                yield NO_USAGE.format(name, schema=there[name].schema, login=login)
        elif name not in creatable:
            yield NOT_INSTALLED.format(name)
        elif not creatable[name]:
            yield NOT_CREATED.format(name, name, login=login)
