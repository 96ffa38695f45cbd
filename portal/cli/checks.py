"""Checks of the installation. Each returns its result as a line, or raises CheckFailed with the solution."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from sqlalchemy.exc import DBAPIError

from portal.core.checks import Check, CheckFailed
from portal.core.clock import now
from portal.core.db import DIRECT, db, direct_engine
from portal.core.row_security import READER_ROLE, TENANT_ROLE
from portal.postgres import catalog, migrations
from portal.postgres.embedded import EmbeddedError
from portal.postgres.extensions import EXTENSIONS, installed
from portal.postgres.preflight import obstacles, unknown_migrations
from portal.postgres.sentences import sentence_of
from portal.web.given import current_settings

SKEW = timedelta(seconds=2)
SHOWN = 3
WHICH = "SELECT oid, pg_postmaster_start_time() FROM pg_database WHERE datname = current_database()"


def connection() -> str:
    began = time.perf_counter()
    (name, login, is_super) = _row("SELECT current_database(), session_user, current_setting('is_superuser')")
    took = (time.perf_counter() - began) * 1000
    remark = "; as a superuser, which isn't necessary" if is_super == "on" and current_settings().production else ""
    return f"{name} as {login} responds in {took:.0f} ms{remark}"


def version() -> str:
    """The server's version. Versions that are too old are refused when connecting (core/connecting.py)."""
    (number,) = _row("SELECT current_setting('server_version')")
    return f"PostgreSQL {number}"


def characters() -> str:
    """The database must be able to lowercase Ä, because search and sign-in ignore case."""
    (encoding, folds, name) = _row(
        "SELECT current_setting('server_encoding'), lower('ÄÉŁ') = 'äéł',"
        " (SELECT coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale', datcollate) FROM pg_database d"
        " WHERE datname = current_database())"
    )
    if encoding != "UTF8" or not folds:
        raise CheckFailed(
            f"{encoding} with {name} can't lowercase non-English letters: dump the database, create it again with"
            " ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0, and restore it there."
        )
    return f"{encoding}, {name}"


def sort_order() -> str:
    """Indexes on text are corrupt if the operating system's sort order has changed."""
    (noted, actual) = _row(
        "SELECT datcollversion, pg_database_collation_actual_version(oid) FROM pg_database"
        " WHERE datname = current_database()"
    )
    if noted != actual:
        raise CheckFailed(
            f"the server's sort order changed from version {noted} to {actual}: run REINDEX DATABASE, then"
            " ALTER DATABASE ... REFRESH COLLATION VERSION."
        )
    return f"version {actual}" if actual else "never changes"


def extensions() -> str:
    there = installed(db.session.connection())
    if missing := [name for name in EXTENSIONS if name not in there]:
        raise CheckFailed(
            f"{' and '.join(missing)} missing: run `flask db upgrade`, or CREATE EXTENSION as an administrator."
        )
    return ", ".join(f"{name} in {there[name].schema}" for name in EXTENSIONS)


def applied_migrations() -> str:
    found, wanted = migrations.applied(db.session.connection()), migrations.heads()
    if unknown := unknown_migrations(found):
        raise CheckFailed(unknown)
    if found != wanted:
        obstacle = next(obstacles(db.session.connection(), list(db.metadata.tables)), None)
        pending = f"pending (found {_names(found)}, expected {_names(wanted)})"
        raise CheckFailed(f"{pending}: {obstacle or 'run `flask db upgrade`.'}")
    return f"all applied, up to {_names(found)}"


def drift() -> str:
    """Compare the schema with the one that the same migrations create on a temporary server."""
    found = migrations.applied(db.session.connection())
    if not found or not found <= migrations.known():
        raise CheckFailed("apply the migrations first.")
    try:
        expected = migrations.made_by(_names(found))
    except EmbeddedError as error:
        raise CheckFailed(
            f"not compared, because PostgreSQL can't be started here: {str(error).splitlines()[0]}"
        ) from None
    different = catalog.differences(expected, catalog.read(db.session.connection()))
    if different:
        listed = "; ".join(str(one) for one in different[:SHOWN])
        more = f"; and {len(different) - SHOWN} more" if len(different) > SHOWN else ""
        raise CheckFailed(f"differs from the migrations: {listed}{more}. Fix it by hand, or write a migration.")
    return f"none: all {len(expected)} objects of the schema match the migrations"


def owner() -> str:
    strange = _rows(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " AND relname = ANY (%s) AND NOT pg_has_role(session_user, relowner, 'USAGE') ORDER BY 1",
        [*db.metadata.tables, "activity_seals", "activity_leaves"],
    )
    if strange:
        names = ", ".join(name for (name,) in strange)
        raise CheckFailed(f"{names} belong to another login: ALTER TABLE ... OWNER TO the login of DATABASE_URL.")
    return "the portal's tables belong to its login"


def tenant_role() -> str:
    """The role as which actors of a tenant run."""
    return _check_role(TENANT_ROLE)


def reader_role() -> str:
    """The role as which the data browser reads. It owns only the function that runs queries."""
    owned = _rows("SELECT proowner::regrole::text FROM pg_proc WHERE proname = 'portal_query'")
    result = _check_role(READER_ROLE)
    if owned != [(READER_ROLE,)]:
        raise CheckFailed(
            f"portal_query does not belong to {READER_ROLE}: see Backup and restore in docs/operating.md."
        )
    (name, is_open) = _row(
        "SELECT quote_ident(current_database()), has_database_privilege(%s, current_database(), 'TEMPORARY')",
        READER_ROLE,
    )
    if is_open:
        raise CheckFailed(
            f"everyone can create temporary tables: as the owner, run REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC."
        )
    return result


def _check_role(role: str) -> str:
    found = _rows(
        "SELECT rolsuper OR rolbypassrls OR rolcanlogin OR rolcreaterole OR rolcreatedb"
        " OR EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid) FROM pg_roles r WHERE rolname = %s",
        role,
    )
    if not found:
        raise CheckFailed(f"{role} is missing: run CREATE ROLE {role} NOLOGIN, then `flask db upgrade`.")
    if found[0][0]:
        raise CheckFailed(
            f"{role} has too many privileges: run ALTER ROLE {role} NOLOGIN NOBYPASSRLS NOSUPERUSER,"
            " and REVOKE the roles it is a member of."
        )
    try:
        _row("SELECT set_config('role', %s, true)", role)
    except DBAPIError:
        raise CheckFailed(f"the login of DATABASE_URL can't switch to {role}: run GRANT {role} TO the login.") from None
    return f"the login can switch to {role}"


def clock() -> str:
    before = now()
    (there,) = _row("SELECT clock_timestamp()")
    after = now()
    apart = abs(there - (before + (after - before) / 2))
    if apart > SKEW:
        raise CheckFailed(
            f"this machine and the database are {apart.total_seconds():.0f} s apart: synchronize both clocks with NTP."
        )
    return f"{apart.total_seconds() * 1000:.0f} ms from the database's"


def address() -> str:
    """Behind a transaction pooler, migrations and other long tasks need a direct connection."""
    settings = current_settings()
    if not settings.pools_transactions:
        return "DATABASE_URL connects to PostgreSQL directly"
    if settings.direct_url is None:
        raise CheckFailed(
            "DATABASE_URL connects to a pooler: set DIRECT_URL to PostgreSQL's own address, for migrations."
        )
    (here,) = _rows(WHICH)
    try:
        with direct_engine().connect() as direct:
            there = direct.exec_driver_sql(WHICH).one()
    except DBAPIError as error:
        raise CheckFailed(f"DIRECT_URL: {sentence_of(error) or 'does not work.'}") from None
    if tuple(here) != tuple(there):
        raise CheckFailed(f"DIRECT_URL ({DIRECT}) and DATABASE_URL connect to different databases.")
    return "DATABASE_URL connects to a pooler, DIRECT_URL to the same database directly"


def secret_key() -> str:
    """The length of the key. Weak keys are refused at every start, and the age of a key is unknown."""
    settings = current_settings()
    former = len(settings.secret_key_fallbacks)
    known = f"; {former} former keys are still accepted; remove those that are no longer needed" if former else ""
    own = "" if settings.production else ", created for the demo"
    return f"{len(settings.secret_key)} characters, {len(set(settings.secret_key))} different{own}{known}"


def names_of_settings() -> str:
    if misspelled := current_settings().misspelled:
        raise CheckFailed(" ".join(misspelled))
    return "every PORTAL_... variable is a setting"


def public_address() -> str:
    settings = current_settings()
    if settings.production and settings.public_url is None:
        raise CheckFailed(
            "set PORTAL_URL to the public URL: without it, cookies are not `Secure`, and links are wrong."
        )
    if settings.https and not settings.trusted_proxies:
        raise CheckFailed("set PORTAL_TRUSTED_PROXIES: without it, all clients seem to have the proxy's address.")
    return settings.public_url or "this machine only"


def _rows(statement: str, *parameters: Any) -> list[Any]:
    return list(db.session.connection().exec_driver_sql(statement, parameters).all())


def _row(statement: str, *parameters: Any) -> Any:
    return _rows(statement, *parameters)[0]


def _names(revisions: frozenset[str]) -> str:
    return ", ".join(sorted(revisions)) or "nothing"


CHECKS = (
    Check("secret key", secret_key, needs_database=False),
    Check("settings", names_of_settings, needs_database=False),
    Check("public address", public_address, needs_database=False),
    Check("connection", connection),
    Check("version", version),
    Check("characters", characters),
    Check("sort order", sort_order),
    Check("extensions", extensions),
    Check("migrations", applied_migrations, blocks=True),
    Check("drift", drift),
    Check("owner", owner),
    Check("tenant role", tenant_role),
    Check("data browser role", reader_role),
    Check("clock", clock),
    Check("direct address", address),
)  # fmt: skip
