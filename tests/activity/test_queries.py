"""The history finds exactly what the filters ask for, and knows each row as it was at any time."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.activity import queries, views
from portal.auth.actions import SIGN_IN, SIGN_IN_FAILED
from portal.core.actor import Role
from portal.core.batch import create_many
from portal.core.clock import now, stopped
from portal.core.db import command, db
from portal.core.history import Activity, as_it_was, record
from portal.core.listing import Listing
from portal.core.statements import watched
from portal.organizations.models import Organization
from portal.users.models import User
from tests.access.visitor import Visitor
from tests.acting import acting
from tests.cast import Builder, Person, Tenant

Values = dict[str, Any]
TEXTS = (
    "Ada",
    "",
    None,
    "Zoë",
    "日本語",
    "😀 \u202e\u200d",
    "e\u0301",
    "'; --",
    "null",
    "[1, 2]",
    "\\u0000",
    '"quo\'ted"',
    "x" * 80,
)


def row_of(model: type[User] | type[Organization], row_id: uuid.UUID) -> Any:
    found = select(model).where(model.id == row_id)
    return db.session.scalars(found, execution_options={"with_deleted": True, "populate_existing": True}).one()


@command
def change(model: type[User] | type[Organization], row_id: uuid.UUID, values: Values) -> None:
    row = row_of(model, row_id)
    for name, value in values.items():
        setattr(row, name, value)


def stored(model: type[User] | type[Organization], row_id: uuid.UUID, names: tuple[str, ...]) -> Values:
    row = row_of(model, row_id)
    return {name: getattr(row, name) for name in names}


def random_person(random: Random, organization_ids: list[uuid.UUID | None]) -> Values:
    everything = {
        "email": f"p{random.randrange(10**9)}@example.com",
        "first_name": random.choice(TEXTS),
        "last_name": random.choice(TEXTS),
        "role": random.choice(list(Role)),
        "is_active": random.random() < 0.5,
        "email_verified": random.random() < 0.5,
        "must_change_password": random.random() < 0.5,
        "organization_id": random.choice(organization_ids),
        "deleted_at": random.choice((None, now())),
    }
    return {name: everything[name] for name in random.sample(list(everything), random.randrange(1, 5))}


def random_organization(random: Random, _organization_ids: list[uuid.UUID | None]) -> Values:
    everything = {
        "name": random.choice(TEXTS) or "Nameless",
        "slug": f"s{random.randrange(10**9)}",
        "deleted_at": random.choice((None, now())),
    }
    return {name: everything[name] for name in random.sample(list(everything), random.randrange(1, 3))}


KINDS: dict[str, tuple[type[User] | type[Organization], Callable[..., Values], tuple[str, ...]]] = {
    "person": (
        User,
        random_person,
        ("email", "first_name", "last_name", "role", "is_active", "email_verified", "must_change_password",
         "organization_id", "deleted_at"),
    ),
    "organization": (Organization, random_organization, ("name", "slug", "deleted_at")),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_row_is_known_as_it_was_at_fifty_moments_among_two_hundred_changes(
    app: Flask, acme: Tenant, birch: Tenant, uma: Person, root: Person, kind: str, seed: int
) -> None:
    model, make, names = KINDS[kind]
    row_id, random = {"person": uma.id, "organization": acme.id}[kind], Random(seed)  # noqa: S311 -- repeatable
    ledger: list[tuple[datetime, Values]] = []
    with acting(app):
        for _ in range(200):
            change(model, row_id, make(random, [acme.id, birch.id, None]))
            ledger.append((now(), stored(model, row_id, names)))

    with acting(app, root):
        is_now = stored(model, row_id, names)
        row = row_of(model, row_id)
        for at, then in random.sample(ledger, 50):
            past = as_it_was(row, at)
            assert past is not None
            assert {**is_now, **past} == then
        before = as_it_was(row, datetime(2020, 1, 1, tzinfo=UTC))
        after = as_it_was(row, now())

    assert len({str(values) for _, values in ledger}) > 100
    assert (before, after) == (None, {})


@pytest.mark.parametrize("seed", [3, 4])
def test_lg5_for_a_tenant_a_row_did_not_exist_before_it_last_became_visible(
    app: Flask, acme: Tenant, birch: Tenant, ada: Person, uma: Person, seed: int
) -> None:
    names, random = KINDS["person"][2], Random(seed)  # noqa: S311 -- repeatable
    ledger: list[tuple[datetime, Values]] = []
    with acting(app):
        for number in range(60):
            values = random_person(random, [acme.id, acme.id, birch.id])
            change(User, uma.id, values if number < 30 else _staying(values))
            if number == 30:
                change(User, uma.id, {"organization_id": acme.id, "role": Role.USER})
            ledger.append((now(), stored(User, uma.id, names)))

    with acting(app, ada):
        row = row_of(User, uma.id)
        is_now = stored(User, uma.id, names)
        for at, then in ledger:
            past = as_it_was(row, at)
            if past is not None:
                assert {**is_now, **past} == then
                assert (then["organization_id"], then["role"] is Role.SUPER_ADMIN) == (acme.id, False)
        seen = [as_it_was(row, at) is not None for at, _ in ledger]

    assert seen == sorted(seen)
    assert all(seen[30:])
    assert not all(seen)


def _staying(values: Values) -> Values:
    """Those of the changes after which an ADMIN still sees the person."""
    return {name: value for name, value in values.items() if name not in ("organization_id", "role")} or {
        "email": "x@y.z"
    }


# The list


def found(**arguments: str) -> list[tuple[str, uuid.UUID | None]]:
    """The first page of the list, newest first."""
    return [(row.action, row.row_id) for row in queries.listing(arguments, "/activity/").page().rows]


@pytest.fixture
def busy(app: Flask, build: Builder, acme: Tenant, ada: Person, uma: Person) -> None:
    """Some of everything in Acme: a change of two rows, edits, a deletion, a sign-in and a failed one."""
    with acting(app, ada):
        change(User, uma.id, {"first_name": "Ulla"})
        change(Organization, acme.id, {"name": "Acme & Sons"})
        change(User, uma.id, {"deleted_at": now()})
    with acting(app):
        command(lambda: [change(User, uma.id, {"last_name": "L"}), change(User, ada.id, {"last_name": "L"})])()
        record(SIGN_IN, by=None, about=ada.id, tenant=acme.id)
        record(SIGN_IN_FAILED, about=uma.id, tenant=acme.id)


def test_a_change_of_many_rows_is_one_entry_and_its_page_lists_all_rows(
    app: Flask, ada: Person, uma: Person, busy: None
) -> None:
    with acting(app, ada):
        both = [row for row in queries.listing({"action": "update"}, "/activity/").page().rows if row.rest]
        operation = queries.of_operation(both[0].operation_id, {}, "/").page()

    assert [row.rest for row in both] == [1]
    assert {row.row_id for row in operation.rows} == {ada.id, uma.id}


def test_the_latest_operations_are_no_sign_ins(app: Flask, ada: Person, root: Person, busy: None) -> None:
    for reader in (ada, root):
        with acting(app, reader):
            found = queries.latest()
            assert found[0].action == "update"
            assert not {row.action for row in found} & {SIGN_IN.name, SIGN_IN_FAILED.name}


def test_a_change_in_many_tenants_is_one_entry_for_super_admins_and_one_for_each_tenant(
    app: Flask, acme: Tenant, birch: Tenant, ada: Person, bea: Person, uma: Person, root: Person
) -> None:
    with acting(app):
        command(lambda: [change(Organization, one.id, {"name": f"{one.name} & Co"}) for one in (birch, acme)])()

    for reader, rest in ((root, 1), (ada, 0), (bea, 0)):
        with acting(app, reader):
            assert [row.rest for row in queries.listing({"action": "update"}, "/").page().rows] == [rest]
            assert [row.rest for row in queries.latest() if row.action == "update"] == [rest]


def test_each_filter_finds_matching_operations(
    app: Flask, ada: Person, uma: Person, root: Person, acme: Tenant, busy: None
) -> None:
    with acting(app):
        moments = db.session.execute(select(func.min(Activity.at), func.max(Activity.at))).one()
    first, last = (moment.date() for moment in moments)
    before, after = str(first - timedelta(days=1)), str(last + timedelta(days=1))
    for reader in (ada, root):
        with acting(app, reader):
            assert {action for action, _ in found(status="sign-ins")} == {"sign_in", "sign_in_failed"}
            assert not {action for action, _ in found(status="changes")} & {"sign_in", "sign_in_failed"}
            assert found(action="delete") == [("delete", uma.id)]
            assert found(field="name") == [("update", acme.id)]
            assert [row for _, row in found(field="last_name")].count(uma.id) == 1
            assert {row for _, row in found(row=str(acme.id))} == {acme.id}
            assert found(by=str(ada.id), action="update") == [("update", acme.id), ("update", uma.id)]
            assert ("delete", uma.id) in found(q="ulla exam")
            assert {row for _, row in found(q="sons")} == {acme.id}
            assert found(q="nobody at all") == found(**{"from": after}) == found(to=before) == []
            assert found(**{"from": str(first), "to": str(last)}) == found(**{"from": before, "to": after}) == found()


@pytest.mark.parametrize("who", ["ada", "root"])
@pytest.mark.parametrize("most", [1_000, 20])
def test_a_search_for_a_frequent_name_finds_the_operations_of_all_its_people(
    app: Flask, acme: Tenant, ada: Person, root: Person, monkeypatch: pytest.MonkeyPatch, who: str, most: int
) -> None:
    monkeypatch.setattr(queries, "FOUND", most)
    people = [{"email": f"smith{n}@example.com", "organization_id": acme.id} for n in range(70)]
    with acting(app):
        command(lambda: create_many(User, [*people, {"email": "x@y.example", "organization_id": acme.id}]))()
        ids = {email: key for email, key in db.session.execute(select(User.email, User.id))}
        for email in ("smith3@example.com", "smith66@example.com", "x@y.example"):
            change(User, ids[email], {"last_name": "New"})

    with acting(app, {"ada": ada, "root": root}[who]):
        changed = found(q="smith", field="last_name")
        everything = queries.listing({"q": "smith", "per_page": "100"}, "/activity/").page()

    assert changed == [("update", ids["smith66@example.com"]), ("update", ids["smith3@example.com"])]
    assert [(row.action, row.rest) for row in everything.rows] == [("update", 0), ("update", 0), ("create", 70)]


def test_a_search_for_a_frequent_name_finds_actors_and_organizations_too(
    app: Flask, acme: Tenant, birch: Tenant, ada: Person, bea: Person, uma: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "FOUND", 0)
    with acting(app, ada):
        change(User, uma.id, {"last_name": "New"})
        change(Organization, acme.id, {"name": "Acme & Sons"})

        assert ("update", uma.id) in found(q="ada")
        assert found(q="sons", field="name") == [("update", acme.id)]
        assert found(q="bea") == found(q="birch") == []


WRONG = (
    "action=explode",
    "field=search_text",
    "from=soon",
    "to=9999-12-31",
    "status=secret",
    "sort=actor_id",
    "per_page=7",
)


@pytest.mark.parametrize("query", WRONG)
def test_invalid_arguments_of_an_address_are_ignored(app: Flask, ada: Person, busy: None, query: str) -> None:
    with acting(app, ada):
        assert found(**dict(parse_qsl(query))) == found()


@pytest.mark.parametrize("name", ["row", "by"])
def test_an_invalid_or_unknown_id_finds_nothing(app: Flask, ada: Person, busy: None, name: str) -> None:
    with acting(app, ada):
        for value in (str(uuid.uuid4()), *(("x", "0") if name == "row" else ())):
            assert found(**{name: value}) == []


@pytest.mark.parametrize("name", ["by", "team", "organization"])
def test_a_name_that_nobody_has_is_refused_with_a_message(app: Flask, root: Person, busy: None, name: str) -> None:
    with acting(app, root):
        listing = queries.listing({name: "Nobody of that name"}, "/activity/")

    assert (listing.filters, "No " in listing.refused[name]) == ({}, True)


# The export


def walked(query: str) -> list[tuple[str, str]]:
    """Each event of each listed operation, page after page: its time and its row."""
    events: list[tuple[str, str]] = []
    for row in pages_of(lambda arguments: queries.listing(arguments, "/activity/"), query):
        sort = dict(parse_qsl(query)).get("sort", "")
        own = pages_of(partial(queries.of_operation, row.operation_id, path="/"), f"sort={sort}")
        events += [(one.at.isoformat(), str(one.row_id or "")) for one in own]
    return events


def pages_of(listing: Callable[[dict[str, str]], Listing], query: str) -> list[Any]:
    """All rows of a list."""
    rows: list[Any] = []
    url: str | None = f"/?{query}"
    while url:
        page = listing(dict(parse_qsl(urlsplit(url).query))).page()
        rows += page.rows
        url = page.links["next"]
    return rows


def exported(visitor: Visitor, query: str) -> list[tuple[str, str]]:
    """The same from the CSV file, which has a line for each field. Lines of an event are adjacent."""
    answer = visitor.get(f"/activity/export?{query}")
    lines = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))
    return list(dict.fromkeys((line["at"], line["row_id"]) for line in lines))


@pytest.mark.parametrize(
    "query", ["", "sort=at", "action=update", "field=first_name", "q=person", "status=sign-ins", "per_page=100"]
)
@pytest.mark.parametrize("who", ["ada", "root"])
def test_the_export_contains_every_event_of_the_listed_operations_in_the_same_order(
    app: Flask, build: Builder, acme: Tenant, birch: Tenant, ada: Person, root: Person, busy: None,
    monkeypatch: pytest.MonkeyPatch, query: str, who: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(views, "BATCH", 7)
    for number in range(30):
        person = build.person(f"p{number}@example.com", tenant=acme, last_name="Person")
        with acting(app):
            change(User, person.id, {"first_name": "=1+1", "is_active": False})
    with acting(app):
        for count, tenant in ((3, acme), (20, acme), (40, birch)):
            many = [{"email": f"{count}n{n}@example.com", "organization_id": tenant.id} for n in range(count)]
            command(create_many)(User, many)
    reader = {"ada": ada, "root": root}[who]
    visitor = Visitor(app, reader)

    file = exported(visitor, query)
    with acting(app, reader):
        shown = walked(query)

    assert file == shown
    assert len(file) > 29 or "sign-ins" in query


@pytest.mark.parametrize("place", ["page=last", "before", "after", "before&page=last"])
def test_the_export_contains_the_whole_list_from_whichever_page_it_is_requested(
    app: Flask, build: Builder, acme: Tenant, ada: Person, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(views, "BATCH", 7)
    for number in range(60):
        build.person(f"p{number}@example.com", tenant=acme)
    with acting(app, ada):
        second = queries.listing(dict(parse_qsl(urlsplit(_next_of({})).query)), "/activity/").page()
    links = {"before": second.links["previous"], "after": second.links["next"]}
    query = "&".join(urlsplit(links[one] or "").query if one in links else one for one in place.split("&"))
    visitor = Visitor(app, ada)

    assert exported(visitor, query) == exported(visitor, "")
    assert len(exported(visitor, "")) > 60


def _next_of(arguments: dict[str, str]) -> str:
    return queries.listing(arguments, "/activity/").page().links["next"] or ""


def test_a_large_operation_is_exported_in_batches_of_one_statement_each(
    app: Flask, ada: Person, acme: Tenant, birch: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "BATCH", 10)
    with acting(app):
        rows = [{"email": f"n{n}@example.com", "organization_id": (acme, birch)[n % 2].id} for n in range(90)]
        command(create_many)(User, rows)
    for number in range(4):
        with acting(app, ada):
            change(Organization, acme.id, {"name": f"Acme {number}"})
    with acting(app, ada), watched() as seen:
        batches = [list(batch) for batch in views._exported(queries.listing({}, "/activity/"))]

    at = views.HEADINGS.index("operation_id")
    operations = [{line[at] for line in batch} for batch in batches]
    assert [len(batch) for batch in batches[1:7]] == [4, 10, 10, 10, 10, 5]
    assert [len(one) for one in operations[1:7]] == [4, 1, 1, 1, 1, 1]
    assert len(set.union(*operations[2:7])) == 1
    assert len([one for one in seen if "FROM activity" in one.text]) == len(batches) - 1


def test_in10_lg6_the_export_escapes_formulas_and_hides_passwords(app: Flask, ada: Person, uma: Person) -> None:
    with acting(app, ada):
        change(User, uma.id, {"first_name": '=HYPERLINK("http://evil.example")', "last_name": "+1\n-2"})
        change(User, uma.id, {"password": "$2b$04$secret"})

    text = Visitor(app, ada).get(f"/activity/export?row={uma.id}").data.decode("utf-8-sig")

    cells = [cell for line in csv.reader(io.StringIO(text, newline="")) for cell in line]
    assert '\'=HYPERLINK("http://evil.example")' in cells
    assert "'+1\n-2" in cells
    assert "(secret)" in cells
    assert not [cell for cell in cells if cell and cell[0] in "=+-@\t\r"]
    assert "$2b$" not in text


def test_cs9_the_name_of_the_exported_file_contains_no_tenant_name(app: Flask, build: Builder) -> None:
    evil = build.tenant('../"evil"\r\nX: y; filename=a.exe', slug="evil")
    eve = build.person("eve@example.com", role=Role.ADMIN, tenant=evil)

    with stopped():
        today = now().date()
        answer = Visitor(app, eve).get("/activity/export")

    assert answer.headers["Content-Disposition"] == f'attachment; filename="activity-{today}.csv"'
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_export_contains_only_what_the_reader_may_see(app: Flask, ada: Person, bea: Person, birch: Tenant) -> None:
    with acting(app, bea):
        change(Organization, birch.id, {"name": "Birchwood"})

    own, foreign = (Visitor(app, person).get("/activity/export").text for person in (bea, ada))

    assert "Birchwood" in own
    assert "Birch" not in foreign
    with acting(app):
        assert db.session.scalars(select(Activity.id).where(Activity.row_id == birch.id)).all()
