"""portal/sql contains the complete current text of every function, trigger and policy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, make_url
from sqlalchemy.pool import NullPool

from portal.config import ROOT
from portal.postgres import catalog
from portal.postgres.catalog import Catalog, differences
from portal.sql.core import case_folding
from tests.database import Server

FOLDER = ROOT / "portal" / "sql"
FILES = {path: path.read_text(encoding="utf-8") for path in sorted(FOLDER.rglob("*.sql"))}

# All objects that a file can contain: kind, what it belongs to, name, and the transaction that wrote it last.
OBJECTS = """
SELECT 'function', proname::text, proname::text, p.xmin::text FROM pg_proc p
WHERE pronamespace = 'public'::regnamespace
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')
UNION ALL
SELECT 'trigger', relname, tgname, t.xmin::text FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
WHERE NOT tgisinternal AND relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'policy', relname, polname, p.xmin::text FROM pg_policy p JOIN pg_class c ON c.oid = polrelid
"""
# The library of the email queue has its own schema, in which only policies and grants are ours.
QUEUE = """
SELECT 'policy', relname, pg_get_expr(polqual, polrelid) || polcmd::text || polroles::text
FROM pg_policy JOIN pg_class c ON c.oid = polrelid WHERE relnamespace = 'queue'::regnamespace
UNION ALL
SELECT privilege_type, relname || coalesce('.' || attname, ''), grantee::regrole::text
FROM pg_class c LEFT JOIN pg_attribute ON attrelid = c.oid AND attacl IS NOT NULL,
    aclexplode(coalesce(attacl, relacl))
WHERE relnamespace = 'queue'::regnamespace AND grantee <> relowner
ORDER BY 1, 2, 3
"""
# Remove everything that the files must restore: policies, triggers, grants, and the limits on who can call a function.
REMOVE_ALL = """
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT polname, polrelid::regclass AS at FROM pg_policy LOOP
        EXECUTE format('DROP POLICY %I ON %s', one.polname, one.at);
    END LOOP;
    FOR one IN SELECT tgname, tgrelid::regclass AS at FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
        WHERE NOT tgisinternal AND relnamespace = 'public'::regnamespace LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', one.tgname, one.at);
    END LOOP;
    FOR one IN SELECT oid::regclass AS at FROM pg_class
        WHERE relnamespace IN ('public'::regnamespace, 'queue'::regnamespace) AND relkind = 'r' LOOP
        EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', one.at);
        EXECUTE format('REVOKE ALL ON %s FROM portal_tenant, portal_reader', one.at);
    END LOOP;
    SET ROLE portal_reader;
    DROP FUNCTION portal_query;
    RESET ROLE;
    FOR one IN SELECT oid::regprocedure AS at FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND proname ~ '^portal_' LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM portal_tenant, portal_reader', one.at);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', one.at);
    END LOOP;
    FOR one IN SELECT oid::regprocedure AS at FROM pg_proc WHERE proname ~ '^portal_(history|names)_of_' LOOP
        EXECUTE format('DROP FUNCTION %s', one.at);
    END LOOP;
END $$
"""

Connection = psycopg.Connection[tuple[Any, ...]]
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Replayed:
    """A migrated database whose functions, triggers, policies and grants were recreated from the files alone."""

    before: Catalog
    after: Catalog
    queue_before: list[tuple[Any, ...]]
    queue_after: list[tuple[Any, ...]]
    objects: set[Key]  # created by migrations
    written_by: Mapping[Path, set[Key]]

    def differences(self) -> list[str]:
        return [str(one) for one in differences(self.before, self.after)]


def replayed(address: str, files: Mapping[Path, str]) -> Replayed:
    url = make_url(address).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        before, queue_before = read(address), connection.execute(QUEUE).fetchall()
        objects = {row[:3] for row in connection.execute(OBJECTS)}
        connection.execute(REMOVE_ALL)
        assert connection.execute("SELECT count(*) FROM pg_policy").fetchone() == (0,)
        written_by = {path: written(connection, text) for path, text in files.items()}
        queue_after = connection.execute(QUEUE).fetchall()
    return Replayed(before, read(address), queue_before, queue_after, objects, written_by)


def read(address: str) -> Catalog:
    engine = create_engine(address, poolclass=NullPool)
    with engine.connect() as connection:
        return catalog.read(connection)


def written(connection: Connection, text: str) -> set[Key]:
    """Run a file twice, as psql would, and return the objects it wrote."""
    connection.execute(text.encode())
    with connection.transaction():
        connection.execute(text.encode())
        (now,) = connection.execute("SELECT pg_current_xact_id()::xid::text").fetchone() or ("",)
        return {row[:3] for row in connection.execute(OBJECTS) if row[3] == now}


@pytest.fixture(scope="module")
def found(database_server: Server, template_database: str) -> Iterator[Replayed]:
    yield replayed(database_server.create("replayed", template=template_database), FILES)
    database_server.drop("replayed")


def test_the_files_create_what_the_migrations_create(found: Replayed) -> None:
    assert found.differences() == []
    assert found.queue_after == found.queue_before
    assert found.queue_before


def test_every_function_trigger_and_policy_is_in_exactly_one_file(found: Replayed) -> None:
    places = {key: [path.name for path, keys in found.written_by.items() if key in keys] for key in found.objects}

    assert {key: names for key, names in places.items() if len(names) != 1} == {}
    assert len(found.objects) > 70


def test_a_file_is_named_after_its_function_or_its_table(found: Replayed) -> None:
    for path, keys in found.written_by.items():
        places = {table if name != path.stem else name for _, table, name in keys}  # of triggers on another table
        about = {re.sub("^portal_(history|names)_of_", "", place) for place in places}
        assert about == {path.stem}, path


def test_every_file_begins_with_a_comment_and_can_be_run_again() -> None:
    for path, text in FILES.items():
        assert text.startswith("-- "), path
        assert "CREATE FUNCTION" not in text, path
        assert "CREATE TRIGGER" not in text, path
        assert max(len(line) for line in text.split("\n")) <= 120, path


def test_the_case_folding_tables_are_those_that_the_script_prints() -> None:
    assert f"{case_folding.statements()}\n    RETURN plain;\nEND $$;\n" in FILES[FOLDER / "core" / "portal_plain.sql"]


CHANGED = {
    "core/portal_stamp.sql": ("OLD.version + 1", "OLD.version + 2"),
    "users/portal_find_users.sql": ("'deactivated'", "'deactivate'"),
    "core/portal_reaches.sql": ("'ADMIN' AND", "'USER' AND"),
    "activity/portal_watch.sql": ("'restore'", "'restored'"),
    "users/users.sql": ("THEN true", "THEN false"),
    "users/portal_kill_links.sql": ("SET search_path = pg_catalog, public", "SET search_path = public"),
    "tokens/refresh_tokens.sql": ("BEFORE INSERT", "AFTER INSERT"),
    "organizations/organizations.sql": ("GRANT UPDATE (\n    name,", "GRANT UPDATE (\n    slug,"),
    "api/idempotency_keys.sql": ("(created_at)", "(key)"),
    "activity/portal_record.sql": ("REVOKE ALL", "-- REVOKE ALL"),
    "activity/activity.sql": ("ALTER TABLE activity ENABLE ROW LEVEL SECURITY", "SELECT"),
}


def test_a_change_of_one_word_is_found(database_server: Server, template_database: str) -> None:
    changed = dict(FILES)
    for name, (before, after) in CHANGED.items():
        assert before in FILES[FOLDER / name], name
        changed[FOLDER / name] = FILES[FOLDER / name].replace(before, after, 1)

    result = replayed(database_server.create("changed", template=template_database), changed)
    database_server.drop("changed")

    for name in CHANGED:
        assert any(Path(name).stem in one for one in result.differences()), (name, result.differences())


def test_a_missing_file_is_found(database_server: Server, template_database: str) -> None:
    missing = {"users/portal_ranks.sql", "api/idempotency_keys.sql", "data_browser/portal_query.sql"}
    files = {path: text for path, text in FILES.items() if str(path.relative_to(FOLDER)) not in missing}

    result = replayed(database_server.create("missing", template=template_database), files)
    database_server.drop("missing")

    written_at_all = set().union(*result.written_by.values())
    assert result.objects - written_at_all == {
        ("function", "portal_ranks", "portal_ranks"),
        ("policy", "idempotency_keys", "reader"),
        ("function", "portal_query", "portal_query"),
    }
