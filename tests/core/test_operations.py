"""After a large import misleads the planner's statistics, pages of the history still read few rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from portal.core.actor import Role
from portal.core.db import db
from tests.activity.chain import connected
from tests.cast import Builder, page_client
from tests.database import Server, app_for, disconnect

PEOPLE = 20_000
OPERATIONS = 40
MOST = 3_000  # the limit for the rows that all statements of a page read
FREQUENT = "martin"  # a tenth of the people, more than a search looks up by key

IMPORT = """
INSERT INTO users (email, first_name, last_name, organization_id)
SELECT 'p' || n || '@example.org', 'Ada', CASE WHEN mod(n, 10) = 0 THEN 'Martin' ELSE 'Weber' || mod(n, 97) END, %s
FROM generate_series(1, %s) n
"""


class Portal:
    """A portal that began with an import, and two people who read its history."""

    def __init__(self, app: Flask, address: str) -> None:
        build = Builder(app)
        self.app, self.address = app, address
        self.acme = build.tenant("Acme")
        with connected(address) as owner:
            owner.execute(IMPORT, [self.acme.id, PEOPLE])
            owner.execute("ANALYZE")
            rows = owner.execute("SELECT id FROM users ORDER BY email LIMIT %s", [OPERATIONS]).fetchall()
            self.changed = [key for (key,) in rows]
            for number, key in enumerate(self.changed):
                owner.execute("UPDATE users SET first_name = %s WHERE id = %s", [f"Eva{number}", key])
            (self.imported,) = owner.execute("SELECT id FROM operations WHERE events > 1000 LIMIT 1").fetchone() or (
                "",
            )
        self.readers = {
            "SUPER_ADMIN": build.person("root@example.com", role=Role.SUPER_ADMIN),
            "ADMIN": build.person("boss@example.com", role=Role.ADMIN, tenant=self.acme),
        }
        self.clients = {name: page_client(self.app, person) for name, person in self.readers.items()}

    def rows_read(self, reader: str, path: str) -> dict[str, int]:
        """How many rows each statement of a page reads from the tables of the history."""
        found: dict[str, int] = {}

        def explain(_connection: Any, cursor: Any, statement: str, values: Any, context: Any, _many: bool) -> None:
            if statement.startswith(("SELECT", "WITH")) and "set_config" not in statement:
                explaining = cursor.connection.cursor()
                explaining.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values)
                (plan,) = explaining.fetchone()
                plan = json.loads(plan) if isinstance(plan, str) else plan
                found[statement] = found.get(statement, 0) + sum(_read(plan[0]["Plan"]))

        with self.app.app_context():
            engine = db.engine
        event.listen(engine, "after_cursor_execute", explain)
        try:
            answer = self.clients[reader].get(path, buffered=False)
            assert list(islice(answer.response, 3))  # of an export: the mark, the headings, and the first rows
            answer.close()
        finally:
            event.remove(engine, "after_cursor_execute", explain)
        assert answer.status_code == 200, path
        return found


def _read(plan: dict[str, Any]) -> Iterator[int]:
    if plan.get("Relation Name") in ("activity", "operations") or "activity" in plan.get("Index Name", ""):
        removed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        yield int((plan["Actual Rows"] + removed) * plan["Actual Loops"])
    for part in plan.get("Plans", ()):
        yield from _read(part)


@pytest.fixture(scope="module")
def portal(database_server: Server, template_database: str) -> Iterator[Portal]:
    address = database_server.create("imported", template=template_database)
    app = app_for(address)
    yield Portal(app, address)
    disconnect(app)
    database_server.drop("imported")


PATHS = (
    "/", "/activity/", "/activity/?page=last", "/activity/?status=changes", "/activity/?status=sign-ins",
    "/activity/?action=update", "/activity/?action=create", "/activity/?action=erase", "/activity/?field=first_name",
    "/activity/?field=role", "/activity/?by={reader}", "/activity/?row={row}",
    "/activity/?from=2026-01-01&to=2026-01-31",
    "/activity/?q=eva7", f"/activity/?q={FREQUENT}", "/activity/?q=qqqzz", "/activity/?q=ad&action=update",
    "/activity/export?action=update", "/activity/{operation}", "/activity/{operation}?page=last",
    "/activity/people/{row}", "/users/{row}", "/account/",
)  # fmt: skip


@pytest.mark.parametrize("reader", ["SUPER_ADMIN", "ADMIN"])
@pytest.mark.parametrize("path", PATHS)
def test_a_page_of_the_history_reads_few_rows_after_an_import(portal: Portal, path: str, reader: str) -> None:
    names = {"reader": portal.readers[reader].id, "row": portal.changed[3], "operation": portal.imported}

    read = portal.rows_read(reader, path.format(**names))

    assert read
    most = 2 * MOST if "export" in path else MOST  # a part of an export has more rows than a page
    assert sum(read.values()) <= most, max(read.items(), key=lambda one: one[1])
    if path.startswith("/activity/?"):
        assert not [statement for statement in read if "FROM activity" in statement and "row_id IN" not in statement]


def test_the_rest_of_an_operation_is_counted_without_its_events(portal: Portal) -> None:
    for client in portal.clients.values():
        assert f"{PEOPLE - 1:,} more" in client.get("/activity/?action=create&page=last").text
