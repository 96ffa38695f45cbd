"""Every change to a row is recorded exactly once and permanently, whoever makes it and however."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import flask_migrate
import psycopg
import pytest
from flask import Flask
from sqlalchemy import delete, insert, make_url, select, update

from portal.auth.actions import SIGN_IN
from portal.core import history
from portal.core.actor import Role
from portal.core.batch import create_many, update_many, upsert
from portal.core.db import command, copy_rows, db
from portal.core.history import Activity
from portal.core.keys import uuid7
from portal.core.models import Audited, Base
from portal.core.row_security import TENANT_ROLE
from portal.features import RESOURCES
from portal.organizations.models import Organization
from portal.postgres.roles import ROLES
from portal.users.commands import users
from portal.users.models import User
from portal.web.error_pages import REFUSED
from tests.acting import acting
from tests.cast import Builder, Person, page_client
from tests.database import Server, app_for, disconnect

Connection = psycopg.Connection[tuple[Any, ...]]
State = dict[tuple[str, uuid.UUID], dict[str, Any]]

NOT_RECORDED = ("created_at", "updated_at", "created_by", "updated_by", "deleted_by", "version", "last_sign_in_at",
          "has_two_factor", "link_counter", "invited_at", "accepted_at", "revoked_at")  # fmt: skip
GENERATED = ("sort_name", "search_text")
ROW_ACTIONS = "create", "update", "delete", "restore", "remove"
EVENT = (
    "SELECT action, table_name, row_id, row_version, changes, actor_id, actor_role, address, database_user, request_id,"
    " agent, organization_id, operation_id, undoes, times, id FROM activity"
)


COPIED = {
    name: name
    for name in (
        "action", "table_name", "row_id", "row_version", "changes", "actor_id", "actor_role", "address",
        "database_user", "request_id", "agent", "times",
    )
}  # fmt: skip


@contextmanager
def connected(address: str) -> Iterator[Connection]:
    url = make_url(address).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
        yield connection


@pytest.fixture
def psql(fresh_database: str) -> Iterator[Connection]:
    """Another program, which sets no actor."""
    with connected(fresh_database) as connection:
        yield connection


def events(psql: Connection, after: int = 0) -> list[dict[str, Any]]:
    cursor = psql.execute(f"{EVENT} WHERE id > {after} ORDER BY id".encode())
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def row_events(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in found if one["action"] in ROW_ACTIONS]


class Cast:
    """Two organizations and their people, committed."""

    def __init__(self, app: Flask) -> None:
        self.build = Builder(app)
        self.acme, self.birch = self.build.tenant("Acme"), self.build.tenant("Birch")
        self.root = self.build.person("root@example.com", role=Role.SUPER_ADMIN)
        self.ada = self.build.person("ada@example.com", role=Role.ADMIN, tenant=self.acme)
        self.bea = self.build.person("bea@example.com", role=Role.ADMIN, tenant=self.birch)

    def in_acme(self, many: int) -> list[Person]:
        return [self.build.person(f"q{number}@example.com", tenant=self.acme) for number in range(many)]


@pytest.fixture
def people(fresh_app: Flask) -> Cast:
    return Cast(fresh_app)


# The expected events are derived from the tables before and after.


def state(psql: Connection) -> State:
    rows: State = {}
    for table in ("organizations", "users"):
        for (row,) in psql.execute(f"SELECT to_jsonb(t) FROM {table} t".encode()):  # noqa: S608
            key = uuid.UUID(row.pop("id"))
            rows[table, key] = {name: row[name] for name in row if name not in GENERATED}
    return rows


def expected(before: State, after: State) -> Counter[str]:
    """The events that lead from one state to the next, as comparable text."""
    return Counter(repr(one) for one in _expected(before, after))


def _expected(before: State, after: State) -> Iterator[tuple[Any, ...]]:
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old is None and new is not None:
            yield "create", *key, new["version"], None
        elif new is None and old is not None:
            remains = {name: [value, None] for name, value in old.items() if name != "password"}
            yield "remove", *key, old["version"], sorted(remains.items())
        elif old is not None and new is not None:
            changes = {
                name: [old[name], new[name]] for name in old if name not in NOT_RECORDED and old[name] != new[name]
            }
            if "password" in changes:
                changes["password"] = []
            if changes:
                yield _action(old, new), *key, new["version"], sorted(changes.items())


def _action(old: dict[str, Any], new: dict[str, Any]) -> str:
    if (old["deleted_at"] is None) is (new["deleted_at"] is None):
        return "update"
    return "restore" if new["deleted_at"] is None else "delete"


def written(found: list[dict[str, Any]]) -> Counter[str]:
    return Counter(
        repr(
            (
                one["action"],
                one["table_name"],
                one["row_id"],
                one["row_version"],
                None if one["changes"] is None else sorted(one["changes"].items()),
            )
        )
        for one in found
    )


class Writer:
    """Write rows in every possible way. Each method returns the expected actor."""

    def __init__(self, app: Flask, people: Cast, psql: Connection) -> None:
        self.app, self.people, self.psql = app, people, psql
        self.browser = page_client(app, people.ada)
        self.source = random.Random(11)  # noqa: S311 -- the same each time
        self.number = 0

    def methods(self) -> list[Callable[[], Person | str]]:
        return [
            self.form_new, self.form_edit, self.form_delete, self.flush, self.create_many, self.update_many,
            self.upsert, self.bulk_update, self.bulk_insert, self.bulk_delete, self.copy, self.by_hand,
            self.remove_by_hand, self.merge_by_hand,
        ]  # fmt: skip

    def email(self) -> str:
        self.number += 1
        return f"w{self.number}@example.com"

    def some(self, many: int) -> list[uuid.UUID]:
        """Active people of Acme."""
        found = self.psql.execute(
            "SELECT id FROM users WHERE organization_id = %s AND deleted_at IS NULL AND starts_with(email, 'w')"
            " ORDER BY email",
            [self.people.acme.id],
        ).fetchall()
        return [row_id for (row_id,) in self.source.sample(found, many)]

    def form_new(self) -> Person | str:
        sent = {"email": self.email(), "first_name": "New"}
        assert self.browser.send("/users/new", sent).status_code in (200, 201, 303)
        return self.people.ada

    def form_edit(self) -> Person | str:
        path = f"/users/{self.some(1)[0]}/edit"
        assert self.browser.send(path, {"first_name": self.email(), "last_name": "Edited"}).status_code == 303
        return self.people.ada

    def form_delete(self) -> Person | str:
        (row_id,) = self.some(1)
        assert self.browser.send(f"/users/{row_id}/delete").status_code == 303
        return self.people.ada

    def flush(self) -> Person | str:
        with acting(self.app, self.people.root):
            _rename(self.some(3), self.email())
        return self.people.root

    def create_many(self) -> Person | str:
        with acting(self.app, self.people.ada):
            command(create_many)(User, [{"email": self.email()} for _ in range(25)])
        return self.people.ada

    def update_many(self) -> Person | str:
        with acting(self.app, self.people.ada):
            command(update_many)(User, self.some(10), {"last_name": self.email(), "email_verified": True})
        return self.people.ada

    def upsert(self) -> Person | str:
        rows = [{"email": f"w{number}@example.com", "first_name": self.email()} for number in range(1, 9)]
        rows += [{"email": self.email(), "first_name": "Fresh"} for _ in range(4)]
        with acting(self.app, self.people.root):
            _upsert([{**row, "organization_id": self.people.acme.id} for row in rows])
        return self.people.root

    def bulk_update(self) -> Person | str:
        with acting(self.app, self.people.ada):
            _execute(update(User).where(User.id.in_(self.some(8))).values(first_name=self.email(), is_active=False))
        return self.people.ada

    def bulk_insert(self) -> Person | str:
        with acting(self.app):
            _execute(insert(Organization).values(name=f"Company {self.email()}", slug=f"company-{self.number}"))
        return "SYSTEM"

    def bulk_delete(self) -> Person | str:
        with acting(self.app):
            _execute(delete(User).where(User.id.in_(self.some(3))))
        return "SYSTEM"

    def copy(self) -> Person | str:
        rows = [(uuid7(), self.email(), self.people.acme.id) for _ in range(30)]
        with acting(self.app, self.people.root):
            command(copy_rows)("users", ("id", "email", "organization_id"), rows)
        return self.people.root

    def by_hand(self) -> Person | str:
        self.psql.execute(
            "UPDATE users SET first_name = %s, password = 'x' || email WHERE id = ANY (%s)",
            [self.email(), self.some(12)],
        )
        return ""

    def remove_by_hand(self) -> Person | str:
        self.psql.execute("DELETE FROM users WHERE id = ANY (%s)", [self.some(4)])
        return ""

    def merge_by_hand(self) -> Person | str:
        self.psql.execute(
            "MERGE INTO users u USING (VALUES ('w2@example.com'), ('w4@example.com'), (%s)) AS s (email)"
            " ON u.email = s.email AND u.deleted_at IS NULL"
            " WHEN MATCHED AND u.email = 'w2@example.com' THEN DELETE"
            " WHEN MATCHED THEN UPDATE SET first_name = u.first_name || '!'"
            " WHEN NOT MATCHED THEN INSERT (email, organization_id) VALUES (s.email, %s)",
            [self.email(), self.people.acme.id],
        )
        return ""


@command
def _rename(ids: list[uuid.UUID], name: str) -> None:
    for user in db.session.scalars(select(User).where(User.id.in_(ids))):
        user.first_name = name


@command
def _upsert(rows: list[dict[str, Any]]) -> None:
    upsert(User, rows, key="email")


@command
def _execute(statement: Any) -> None:
    db.session.execute(statement, execution_options={"synchronize_session": False})


def test_lg1_a_thousand_writes_of_every_kind_are_a_thousand_complete_events(
    fresh_app: Flask, people: Cast, psql: Connection
) -> None:
    writer = Writer(fresh_app, people, psql)
    writer.copy(), writer.create_many()
    last, before, total, writes = events(psql)[-1]["id"], state(psql), 0, 0
    while total < 1000:
        method = writer.methods()[writes % len(writer.methods())]
        actor = method()
        after = state(psql)
        found = row_events(events(psql, last))
        assert written(found) == expected(before, after), method.__name__
        check_actor(found, actor, fresh_app, is_form=method.__name__.startswith("form"))
        assert len({one["operation_id"] for one in found}) == 1, method.__name__
        last, before, total, writes = events(psql, last)[-1]["id"], after, total + len(found), writes + 1

    everything = row_events(events(psql))
    assert len({one["operation_id"] for one in everything}) >= writes
    check_operations(psql)


def operations(psql: Connection) -> list[dict[str, Any]]:
    cursor = psql.execute("SELECT * FROM operations ORDER BY event_id, organization_id NULLS FIRST")
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def check_operations(psql: Connection) -> None:
    """Each operation summarizes its events: all of them, or those visible to one organization."""
    everything = events(psql)
    wanted = {(one["operation_id"], None) for one in everything}
    wanted |= {(one["operation_id"], one["organization_id"]) for one in everything}
    found = {(one["id"], one["organization_id"]): one for one in operations(psql)}
    assert set(found) == wanted
    for (key, tenant), operation in found.items():
        mine = [one for one in everything if one["operation_id"] == key and tenant in (None, one["organization_id"])]
        rows = list(dict.fromkeys(one["row_id"] for one in mine if one["row_id"]))
        assert operation["events"] == len(mine)
        assert operation["counts"] == Counter(
            ".".join(filter(None, (one["table_name"], one["action"]))) for one in mine
        )
        assert operation["actions"] == sorted({one["action"] for one in mine})
        assert operation["fields"] == sorted(
            {name for one in mine if one["row_version"] and one["action"] != "remove" for name in one["changes"] or ()}
        )
        assert len(operation["row_ids"]) == len(operation["names"] or ()) == min(len(rows), 5)
        assert set(operation["row_ids"]) <= set(rows)
        for name in ("id", *COPIED):
            assert operation[COPIED.get(name, "event_id")] == mine[0][name]


def check_actor(found: list[dict[str, Any]], actor: Person | str, app: Flask, *, is_form: bool) -> None:
    person, role = (actor.id, actor.role.name) if isinstance(actor, Person) else (None, actor or None)
    with app.app_context():
        login = db.engine.url.username
    for one in found:
        assert (one["actor_id"], one["actor_role"], one["database_user"]) == (person, role, login)
        assert one["address"] == ("127.0.0.1" if is_form else None)
        assert bool(one["request_id"]) is bool(one["agent"]) is is_form


def test_lg1_only_committed_changes_and_savepoints_are_recorded(psql: Connection) -> None:
    with psql.transaction(force_rollback=True):
        psql.execute("INSERT INTO users (email) VALUES ('gone@example.com')")
    assert events(psql) == []

    with psql.transaction():
        psql.execute("INSERT INTO users (email) VALUES ('a@example.com')")
        with psql.transaction(force_rollback=True):
            psql.execute("INSERT INTO users (email) VALUES ('b@example.com')")
        with psql.transaction():
            psql.execute("INSERT INTO users (email) VALUES ('c@example.com')")

    found = events(psql)
    assert [one["action"] for one in found] == ["create", "create"]
    assert len({one["operation_id"] for one in found}) == 1
    assert [one["events"] for one in operations(psql)] == [2]


def test_lg1_a_savepoint_that_wrote_first_and_was_rolled_back_leaves_no_trace(psql: Connection) -> None:
    with psql.transaction():
        with psql.transaction(force_rollback=True):
            psql.execute("INSERT INTO users (email) VALUES ('b@example.com')")
        psql.execute("INSERT INTO users (email) VALUES ('a@example.com')")

    (one,), (operation,) = events(psql), operations(psql)
    assert (operation["id"], operation["events"], operation["names"]) == (one["operation_id"], 1, ["a@example.com"])


def test_an_operation_in_hundreds_of_organizations_names_the_rows_of_each(psql: Connection) -> None:
    psql.execute("INSERT INTO organizations (name, slug) SELECT n, 'o' || n FROM generate_series(1, 500) n")
    psql.execute("INSERT INTO users (email, organization_id) SELECT slug || '@example.com', id FROM organizations")
    emails: dict[Any, str] = dict(psql.execute("SELECT id, email FROM users").fetchall())

    written = [one for one in operations(psql) if one["table_name"] == "users"]
    assert len([one for one in written if one["organization_id"]]) == len(emails) == 500
    for one in written:
        assert one["names"] == [emails[key] for key in one["row_ids"]]


def test_lg1_a_failed_command_records_no_event(fresh_app: Flask, people: Cast, psql: Connection) -> None:
    before = len(events(psql))

    @command
    def fail() -> None:
        db.session.execute(update(User).values(first_name="Changed"), execution_options={"synchronize_session": False})
        raise RuntimeError

    with acting(fresh_app, people.ada), pytest.raises(RuntimeError):
        fail()

    assert len(events(psql)) == before


def test_lg1_an_update_that_changes_only_stamps_records_no_event(people: Cast, psql: Connection) -> None:
    before = len(events(psql))

    psql.execute("UPDATE users SET first_name = first_name, updated_at = now(), updated_by = id, version = 7")
    psql.execute("UPDATE users SET first_name = 'X' WHERE false")
    psql.execute("DELETE FROM users WHERE false")
    psql.execute("INSERT INTO users (email) SELECT 'x' WHERE false")

    assert len(events(psql)) == before


def test_lg1_two_requests_of_one_process_are_two_operations(fresh_app: Flask, people: Cast, psql: Connection) -> None:
    client = page_client(fresh_app, people.ada)
    for number in range(2):
        client.send("/users/new", {"email": f"n{number}@example.com"})

    one, other = [one for one in events(psql) if one["action"] == "create" and one["request_id"]]
    assert one["operation_id"] != other["operation_id"]
    assert one["request_id"] != other["request_id"]
    assert {one["operation_id"], other["operation_id"]} <= {one["id"] for one in operations(psql)}


def test_lg1_one_transaction_in_two_tenants_is_one_operation_with_a_part_for_each(
    fresh_app: Flask, people: Cast, psql: Connection
) -> None:
    people.in_acme(3)
    last = events(psql)[-1]["id"]
    with acting(fresh_app, people.root):
        _execute(update(User).values(last_name="Renamed"))

    found = events(psql, last)
    assert len(found) == 6
    assert len({one["operation_id"] for one in found}) == 1
    parts = {one["organization_id"]: one for one in operations(psql) if one["id"] == found[0]["operation_id"]}
    assert {key: one["events"] for key, one in parts.items()} == {people.acme.id: 4, people.birch.id: 1, None: 6}
    assert set(parts[people.acme.id]["row_ids"]) == {
        one["row_id"] for one in found if one["organization_id"] == people.acme.id
    }
    assert [one["fields"] for one in parts.values()] == [["last_name"]] * 3
    check_operations(psql)


def test_lg1_several_statements_of_a_transaction_are_one_operation(
    fresh_app: Flask, people: Cast, psql: Connection
) -> None:
    people.in_acme(2)
    last = events(psql)[-1]["id"]

    with psql.transaction():
        psql.execute("UPDATE organizations SET name = name")
        psql.execute("UPDATE users SET last_name = 'Renamed'")
        psql.execute("UPDATE organizations SET name = name || '!'")
        psql.execute("INSERT INTO users (email) VALUES ('late@example.com')")
        psql.execute("SELECT portal_record('refused', NULL, 'SYSTEM', NULL, NULL, NULL, NULL, false)")
    with acting(fresh_app, people.root):
        history.record(SIGN_IN, about=people.root.id)

    found = events(psql, last)
    assert len({one["operation_id"] for one in found}) == 2
    whole = {one["id"]: one for one in operations(psql) if one["organization_id"] is None}
    several, single = (whole[found[place]["operation_id"]] for place in (0, -1))
    assert (several["action"], single["action"]) == ("update", "sign_in")
    assert several["counts"] == {"users.update": 5, "organizations.update": 2, "users.create": 1, "refused": 1}
    assert several["actions"] == ["create", "refused", "update"]
    assert several["fields"] == ["last_name", "name"]
    assert single["names"] == ["Root Renamed"]
    check_operations(psql)


def test_lg1_an_operation_of_hundreds_of_statements_is_counted_when_it_ends(people: Cast, psql: Connection) -> None:
    with psql.transaction():
        for number in range(520):
            psql.execute(
                "INSERT INTO users (email, organization_id) VALUES (%s, %s)", [f"n{number}@x.example", people.acme.id]
            )
        psql.execute("UPDATE users SET last_name = 'Late' WHERE email = 'n7@x.example'")

    assert operations(psql)[-1]["counts"] == {"users.create": 520, "users.update": 1}
    check_operations(psql)


def test_lg1_rows_changed_through_foreign_keys_are_recorded_too(people: Cast, psql: Connection) -> None:
    psql.execute(
        "CREATE TABLE groups (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text, version int DEFAULT 1,"
        " deleted_at timestamptz, organization_id uuid REFERENCES organizations ON DELETE CASCADE)"
    )
    psql.execute("SELECT portal_watch('groups', 'r.organization_id')")
    psql.execute(
        "INSERT INTO groups (name, organization_id) SELECT 'T' || n, %s FROM generate_series(1, 3) n", [people.acme.id]
    )
    last = events(psql)[-1]["id"]

    psql.execute("DELETE FROM organizations WHERE id = %s", [people.acme.id])

    found = events(psql, last)
    assert Counter((one["table_name"], one["action"]) for one in found) == {
        ("organizations", "remove"): 1, ("groups", "remove"): 3, ("users", "update"): 1,
    }  # fmt: skip
    assert len({one["operation_id"] for one in found}) == 1
    (moved,) = [one for one in found if one["table_name"] == "users"]
    assert moved["row_id"] == people.ada.id
    assert moved["changes"] == {"organization_id": [str(people.acme.id), None]}


def test_lg1_truncate_is_refused_because_it_would_leave_no_history(people: Cast, psql: Connection) -> None:
    for table in ("users", "organizations"):
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="TRUNCATE .* use DELETE"):
            psql.execute(f"TRUNCATE {table} CASCADE".encode())


def test_lg1_the_key_of_a_row_cannot_change(people: Cast, psql: Connection) -> None:
    for table in ("users", "organizations"):
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="the key of a row"):
            psql.execute(f"UPDATE {table} SET id = gen_random_uuid()".encode())  # noqa: S608


def columns_not_recorded(psql: Connection) -> dict[str, list[str]]:
    """The tables of the application, each with the columns that its history would not record."""
    missing = {}
    for mapper in Base.registry.mappers:
        if issubclass(mapper.class_, Audited):
            table = mapper.local_table.name  # type: ignore[attr-defined]
            missing[table] = _columns_not_recorded(psql, table)
    return missing


def _columns_not_recorded(psql: Connection, table: str) -> list[str]:
    source = psql.execute("SELECT prosrc FROM pg_proc WHERE proname = %s", [f"portal_history_of_{table}"]).fetchone()
    columns = psql.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " AND attgenerated = '' AND attname <> ALL (%s)",
        [table, list(GENERATED)],
    ).fetchall()
    assert source
    return [
        name
        for (name,) in columns
        if name not in ("id", *NOT_RECORDED) and f"o.{name} IS DISTINCT FROM r.{name}" not in source[0]
    ]


def test_lg1_every_column_of_every_audited_table_is_recorded(psql: Connection) -> None:
    assert columns_not_recorded(psql) == dict.fromkeys(RESOURCES, [])
    triggers = psql.execute("SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE tgenabled = 'O'").fetchall()
    for table in columns_not_recorded(psql):
        for name in ("history_insert", "history_update", "history_delete", "history_truncate", "key_stays"):
            assert (table, name) in triggers

    psql.execute("ALTER TABLE users ADD COLUMN nickname text")
    assert columns_not_recorded(psql)["users"] == ["nickname"]
    psql.execute("SELECT portal_watch('users', 'r.organization_id', '{password}')")
    assert columns_not_recorded(psql)["users"] == []


# LG3: for every kind of database login.


@pytest.fixture(params=["superuser", "plain owner"])
def login(request: pytest.FixtureRequest, database_server: Server, fresh_database: str) -> Iterator[str]:
    """The URL of a migrated database, for each kind of database user that the application can have."""
    if request.param == "superuser":
        yield fresh_database
        return
    with owned_by_plain_role(database_server) as address:
        yield address


@contextmanager
def owned_by_plain_role(server: Server) -> Iterator[str]:
    """A database whose owner isn't a superuser and can't create roles."""
    url = make_url(server.create("plain"))
    role = f"{url.database}_owner"
    limits = " WITH INHERIT FALSE, SET TRUE" if server.version() >= 160000 else ""
    server.execute(f"CREATE ROLE \"{role}\" LOGIN PASSWORD 'plain'")
    server.execute(f'GRANT {", ".join(ROLES)} TO "{role}"{limits}')
    server.execute(f'ALTER DATABASE "{url.database}" OWNER TO "{role}"')
    address = url.set(username=role, password="plain").render_as_string(hide_password=False)
    app = app_for(address)
    try:
        with app.app_context():
            flask_migrate.upgrade()
        yield address
    finally:
        disconnect(app)
        server.drop("plain")
        server.execute(f'DROP ROLE "{role}"')


TABLES = {"activity": "times = 2", "activity_leaves": "salt = NULL", "activity_seals": "first = 7"}


@pytest.mark.parametrize("table", TABLES)
def test_lg3_the_applications_own_login_can_only_add_to_the_history(login: str, table: str) -> None:
    with connected(login) as psql:
        psql.execute("INSERT INTO users (email) VALUES ('a@example.com')")
        for edit in (f"UPDATE {table} SET {TABLES[table]}", f"DELETE FROM {table}", f"TRUNCATE {table}"):  # noqa: S608
            for nowhere in ("", " WHERE false") if "TRUNCATE" not in edit else ("", " CASCADE"):
                with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match=f"{table} can only be added to"):
                    psql.execute(f"{edit}{nowhere}".encode())

        assert psql.execute("SELECT count(*) FROM activity").fetchone() == (1,)


def test_lg3_a_committed_operation_cannot_be_changed(login: str) -> None:
    with connected(login) as psql:
        psql.execute("INSERT INTO users (email) VALUES ('a@example.com')")
        before = operations(psql)
        (operation,) = before
        joined = f"SELECT set_config('portal.operation_id', '{operation['id']}', true)"
        statements = (
            "UPDATE operations SET names = NULL",
            "UPDATE operations SET xid = pg_current_xact_id()",
            "DELETE FROM operations",
            "TRUNCATE operations",
            f"INSERT INTO users (email) SELECT 'b@example.com' FROM ({joined}) s WHERE set_config <> ''",  # noqa: S608
        )
        for statement in statements:
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="operations can only be added to"):
                psql.execute(statement.encode())

        assert operations(psql) == before
        psql.execute(f"SET ROLE {TENANT_ROLE}")
        for statement in ("UPDATE operations SET names = NULL", "DELETE FROM operations", "TRUNCATE operations",
                          "INSERT INTO operations DEFAULT VALUES"):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                psql.execute(statement.encode())


@pytest.mark.parametrize("table", TABLES)
def test_lg3_the_tenant_role_cannot_change_or_add_to_the_history(login: str, table: str) -> None:
    with connected(login) as psql:
        psql.execute("INSERT INTO users (email) VALUES ('a@example.com')")
        psql.execute(f"SET ROLE {TENANT_ROLE}")
        edits: tuple[str, ...] = (f"UPDATE {table} SET {TABLES[table]}", f"DELETE FROM {table}", f"TRUNCATE {table}")  # noqa: S608
        edits += (f"INSERT INTO {table} DEFAULT VALUES", f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        for edit in edits:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                psql.execute(edit.encode())
        for call in ("portal_seal_activity('{}', 1)", "portal_prune_activity('{}', now())", "portal_gather_repeats()",
                     "portal_erase_activity('users', NULL)", "portal_verify_activity('{}')",
                     "portal_record('x', NULL, NULL, NULL, NULL, NULL, NULL, false)"):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                psql.execute(f"SELECT {call}".encode())  # noqa: S608


def test_lg3_the_switch_for_retention_is_reset_afterwards(login: str) -> None:
    with connected(login) as psql:
        psql.execute("INSERT INTO users (email) VALUES ('a@example.com')")
        with psql.transaction():
            psql.execute("SELECT * FROM portal_seal_activity('{k}', 10)")
        with psql.transaction():
            psql.execute("SELECT portal_prune_activity('{k}', now() + interval '1 day')")
            psql.execute("SELECT portal_erase_activity('users', gen_random_uuid())")
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
                psql.execute("DELETE FROM activity")
            raise psycopg.Rollback


@pytest.mark.parametrize("table", TABLES)
def test_lg3_even_retention_cannot_truncate_a_table_of_the_history(login: str, table: str) -> None:
    with connected(login) as psql:
        psql.execute("SET portal.retention = 'on'")
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="can only be added to"):
            psql.execute(f"TRUNCATE {table}".encode())


def test_lg1_history_is_written_whoever_owns_the_tables(login: str) -> None:
    app = app_for(login)
    cast = Cast(app)
    with acting(app, cast.ada):
        version = 1
        users.update(cast.ada.id, version, {"first_name": "Augusta"})
    disconnect(app)

    with connected(login) as psql:
        newest = events(psql)[-1]
    assert (newest["actor_id"], newest["organization_id"]) == (cast.ada.id, cast.acme.id)
    assert newest["changes"] == {"first_name": ["Ada", "Augusta"]}
    assert newest["database_user"] == make_url(login).username


# LG7


def test_lg7_events_outlive_the_person_who_caused_them(fresh_app: Flask, people: Cast, psql: Connection) -> None:
    other, *_ = people.in_acme(1)
    with acting(fresh_app, people.ada):
        users.update(other.id, 1, {"first_name": "Changed"})
    with acting(fresh_app, people.root):
        users.delete(people.ada.id)
    psql.execute("DELETE FROM users WHERE id = %s", [people.ada.id])

    with acting(fresh_app, people.root):
        found = db.session.scalars(select(Activity).where(Activity.actor_id == people.ada.id)).all()
        assert [(one.action, one.row_id, one.actor_role) for one in found] == [("update", other.id, "ADMIN")]
        about = select(Activity).where(Activity.row_id == people.ada.id).order_by(Activity.id)
        *_, deleted, removed = db.session.scalars(about)
        assert (deleted.action, deleted.actor_id) == ("delete", people.root.id)
        assert removed.action == "remove"
        assert removed.changes is not None
        assert removed.changes["email"] == [people.ada.email, None]


def test_lg7_changes_by_the_system_are_marked_and_those_by_other_programs_have_no_actor(
    fresh_app: Flask, people: Cast, psql: Connection
) -> None:
    with acting(fresh_app):
        _rename([people.ada.id], "Automatic")
    psql.execute("UPDATE users SET first_name = 'By hand' WHERE id = %s", [people.ada.id])

    automatic, by_hand = events(psql)[-2:]
    assert (automatic["actor_id"], automatic["actor_role"]) == (None, "SYSTEM")
    assert (by_hand["actor_id"], by_hand["actor_role"]) == (None, None)
    assert by_hand["database_user"] == psql.info.user


def test_an_event_without_a_row_records_its_details(fresh_app: Flask, people: Cast, psql: Connection) -> None:
    with acting(fresh_app, people.ada):
        history.record(REFUSED, details={"path": "GET /organizations/new"})
    with acting(fresh_app, people.root):
        history.record(REFUSED)

    detailed, plain = events(psql)[-2:]
    assert detailed["changes"] == {"path": [None, "GET /organizations/new"]}
    assert (detailed["actor_id"], detailed["actor_role"]) == (people.ada.id, "ADMIN")
    assert (detailed["organization_id"], plain["organization_id"]) == (people.acme.id, None)
    assert (detailed["times"], plain["changes"]) == (1, None)
