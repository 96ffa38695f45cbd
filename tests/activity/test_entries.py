"""The history reveals no more than its readers may know, and remains readable after people are removed."""

from __future__ import annotations

import re
import uuid
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from sqlalchemy import delete, select
from werkzeug.test import TestResponse

from portal.activity import queries
from portal.activity.entries import entries_of
from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import command, db
from portal.core.history import Activity
from portal.users.commands import users
from portal.users.models import User
from tests.access.visitor import Visitor, without_tokens
from tests.acting import acting
from tests.cast import Builder, Person, Tenant
from tests.pages import fields_of

CANARY = "Quetzal"
AGENT = {"User-Agent": "RaraAvis/7"}
ADDRESS = "203.0.113.77"
LAYERS = pytest.mark.parametrize("layers", ["both", "scoping_alone"], indirect=True)
FILTERS = ("", "status=changes", "status=sign-ins", "sort=at", "sort=-at", "page=last", "per_page=100", "action=create",
           "action=update", "action=sign_in", "action=sign_in_failed", "action=refused", "action=delete",
           "action=restore", "field=email", "field=first_name", "field=role", "field=organization_id", "field=name",
           "field=slug", "from=2020-01-01", "to=2100-01-01", "from=2020-01-01&to=2100-01-01&field=email")  # fmt: skip


@pytest.fixture(autouse=True)
def layers(request: pytest.FixtureRequest) -> None:
    """`scoping_alone` switches row-level security off, so that only the application's own scoping is active."""
    if getattr(request, "param", "both") != "both":
        request.getfixturevalue(request.param)


def events(app: Flask, **values: Any) -> list[Activity]:
    """The events with these values, newest first, as the system sees them."""
    with acting(app):
        return list(db.session.scalars(select(Activity).filter_by(**values).order_by(Activity.id.desc())))


def far_away(app: Flask, person: Person) -> Visitor:
    """A visitor whose network address and user agent are canaries too."""
    visitor = Visitor(app)
    visitor.client.environ_base["REMOTE_ADDR"] = ADDRESS
    visitor.client.environ_base["HTTP_USER_AGENT"] = AGENT["User-Agent"]
    visitor.sign_in(person)
    return visitor


def edited(person: Person, **values: str) -> dict[str, str]:
    return {"email": person.email, "role": person.role.name, "is_active": "true", "base": "{}", "version": "1"} | values


def save(visitor: Visitor, person: Person, values: dict[str, str]) -> TestResponse:
    """Send the edit, and confirm its consequences if asked."""
    path = f"/users/{person.id}/edit"
    answer = visitor.post(path, values)
    return visitor.post(path, fields_of(answer.text)) if answer.status_code == 200 else answer


@pytest.fixture
def stranger(app: Flask, build: Builder) -> Person:
    """An ADMIN of another tenant whose names are all canaries, and who did everything that can be done."""
    tenant = build.tenant(f"{CANARY} Ltd", slug=f"{CANARY.lower()}-ltd")
    boss = build.person(
        f"{CANARY.lower()}@example.org", role=Role.ADMIN, first_name=CANARY, last_name=CANARY, tenant=tenant
    )
    other = build.person(f"{CANARY.lower()}2@example.org", first_name=f"{CANARY}o", tenant=tenant)
    visitor = far_away(app, boss)
    visitor.post(f"/users/{other.id}/edit", edited(other, first_name=f"{CANARY}us", email=f"{CANARY}3@example.org"))
    visitor.confirm(f"/users/{other.id}/delete")
    visitor.post(f"/users/{other.id}/restore")
    visitor.post(f"/organizations/{tenant.id}/edit", {"name": f"{CANARY} Inc", "version": "1", "base": "{}"})
    visitor.get("/organizations/")  # refused
    visitor.post("/login", {"email": boss.email, "password": f"{CANARY} wrong"})
    return boss


def pages(app: Flask, *, of: Person, about: Person) -> list[str]:
    """Every address at which an ADMIN could read about somebody, inside the tenant or outside."""
    asked = [*FILTERS, f"row={about.id}", f"row={about.organization_id}", f"by={about.id}", f"by={about.id}&q=a",
             urlencode({"q": CANARY[:5]}), urlencode({"q": CANARY[:5], "row": about.id})]  # fmt: skip
    lists = [f"/activity/{kind}?{query}" for query in asked for kind in ("", "export")]
    operations = {event.operation_id for event in events(app)}
    rows = [f"/activity/people/{about.id}", f"/activity/organizations/{about.organization_id}"]
    own = [f"/activity/organizations/{of.organization_id}", f"/activity/people/{of.id}", "/account/", "/"]
    return [*lists, *(f"/activity/{key}" for key in operations), *rows, *own, f"/users/{of.id}"]


def responses(app: Flask, reader: Person, about: Person) -> dict[str, str]:
    """The response of each of those addresses, in lower case."""
    visitor = Visitor(app, reader)
    return {
        f"{path} {htmx}": visitor.get(path, htmx=htmx).text.lower()
        for path in pages(app, of=reader, about=about)
        for htmx in (False, True)
    }


def leaks(texts: dict[str, str], *secrets: object) -> list[tuple[str, str]]:
    """Which response contains which secret, unless the address contains it."""
    words = [str(secret).lower() for secret in secrets]
    return [(path, word) for path, text in texts.items() for word in words if word in text and word not in path]


@LAYERS
def test_lg5_ac3_no_page_of_the_history_contains_a_word_of_another_tenant(
    app: Flask, ada: Person, uma: Person, stranger: Person
) -> None:
    Visitor(app, ada).post(f"/users/{uma.id}/edit", edited(uma, first_name="Ulla"))

    texts = responses(app, ada, stranger)

    assert any("ulla" in text for text in texts.values())
    assert leaks(texts, CANARY, stranger.id, stranger.organization_id, ADDRESS, AGENT["User-Agent"]) == []


@LAYERS
def test_lg5_operations_of_other_tenants_are_not_found_like_unknown_ones(
    app: Flask, ada: Person, stranger: Person
) -> None:
    visitor = Visitor(app, ada)
    foreign = {event.operation_id for event in events(app, actor_id=stranger.id)}
    unknown = _operation(visitor, uuid.uuid4())

    assert len(foreign) > 5
    assert unknown[0] == 404
    for key in foreign:
        assert _operation(visitor, key) == unknown


def _operation(visitor: Visitor, key: uuid.UUID) -> tuple[int, str]:
    status, _, text = without_tokens(visitor.get(f"/activity/{key}"))
    return status, text.replace(str(key), "KEY")


@pytest.mark.parametrize("query", ["", "field=email", "q=example", "status=sign-ins", "page=last"])
def test_lg5_activity_of_other_tenants_changes_no_count_and_no_page(
    app: Flask, build: Builder, ada: Person, uma: Person, query: str
) -> None:
    visitor = Visitor(app, ada)
    for number in range(27):
        visitor.post(f"/users/{uma.id}/edit", edited(uma, first_name=f"Uma{number}", version=str(number + 1)))
    before = [without_tokens(visitor.get(f"/activity/{kind}?{query}", htmx=True)) for kind in ("", "export")]

    for number in range(5):
        foreign = build.tenant(f"Further {number}")
        build.person(f"example{number}@example.org", tenant=foreign)
        Visitor(app).post("/login", {"email": f"example{number}@example.org", "password": "wrong"})

    after = [without_tokens(visitor.get(f"/activity/{kind}?{query}", htmx=True)) for kind in ("", "export")]
    assert [status for status, _, _ in after] == [200, 200]
    assert after == before


@pytest.mark.parametrize("name", ["by", "row"])
def test_lg5_ac4_filtering_by_a_hidden_id_gives_the_same_result_as_by_an_unknown_one(
    app: Flask, build: Builder, acme: Tenant, ada: Person, uma: Person, root: Person, stranger: Person, name: str
) -> None:
    hidden = build.person("sue@example.com", role=Role.SUPER_ADMIN, tenant=acme)
    for outsider in (root, hidden):
        Visitor(app, outsider).post(f"/users/{uma.id}/edit", edited(uma, first_name=f"By {outsider.name}"))
    visitor, unknown_id = Visitor(app, ada), str(uuid.uuid4())

    for kind in ("", "export"):
        unknown = _filtered(visitor, kind, name, unknown_id)
        for known in (stranger.id, stranger.organization_id, root.id, hidden.id):
            assert _filtered(visitor, kind, name, str(known)) == unknown, known
        assert unknown != _filtered(visitor, kind, name, str(ada.id))


def _filtered(visitor: Visitor, kind: str, name: str, value: str) -> tuple[Any, ...]:
    status, headers, text = without_tokens(visitor.get(f"/activity/{kind}?{name}={value}", htmx=True))
    return status, [(key, one.replace(value, "KEY")) for key, one in headers], text.replace(value, "KEY")


def outside(app: Flask, build: Builder, acme: Tenant, kind: str) -> Person:
    """Somebody whom Acme's ADMIN must not see: a SUPER_ADMIN, without an organization or in Acme."""
    home = {"of none": None, "inside": acme}[kind]
    return build.person("kestrel@example.net", role=Role.SUPER_ADMIN, first_name="Kestrel", tenant=home)


@pytest.mark.parametrize("kind", ["of none", "inside"])
@LAYERS
def test_lg5_ac14_actors_from_outside_the_tenant_are_shown_as_system_administrator(
    app: Flask, build: Builder, acme: Tenant, ada: Person, uma: Person, kind: str
) -> None:
    kestrel = outside(app, build, acme, kind)
    visitor = far_away(app, kestrel)
    visitor.post(f"/users/{uma.id}/edit", edited(uma, first_name="Ulla", organization_id="acme"))
    visitor.post(f"/users/{uma.id}/deactivation")
    visitor.post(f"/organizations/{acme.id}/edit", {"name": "Acme & Co", "slug": "acme", "version": "1", "base": "{}"})
    requests = [str(event.request_id) for event in events(app, actor_id=kestrel.id)]

    texts = responses(app, ada, uma)
    texts[f"/users/{uma.id}"] = Visitor(app, ada).get(f"/users/{uma.id}").text.lower()

    assert len(requests) == 4
    for path in (f"/activity/?row={uma.id} False", f"/activity/export?row={uma.id} False", f"/users/{uma.id}"):
        assert "system administrator" in texts[path], path
    assert leaks(texts, "kestrel", kestrel.id, AGENT["User-Agent"], ADDRESS, *requests) == []


@LAYERS
def test_lg5_an_admin_does_not_see_changes_to_a_super_admin_in_the_tenant(
    app: Flask, build: Builder, acme: Tenant, ada: Person, root: Person
) -> None:
    kestrel = outside(app, build, acme, "inside")
    visitor = Visitor(app, root)
    save(visitor, kestrel, edited(kestrel, first_name="Kestrella", organization_id="acme", role="SUPER_ADMIN"))
    Visitor(app).post("/login", {"email": kestrel.email, "password": "wrong"})
    visitor.confirm(f"/users/{kestrel.id}/delete")
    assert len(events(app, row_id=kestrel.id)) == 4

    assert leaks(responses(app, ada, kestrel), "kestrel", kestrel.id) == []


def arrive(app: Flask, build: Builder, root: Person, how: str, birch: Tenant, acme: Tenant) -> Person:
    """Make somebody visible to Acme, with a new name and address: moved there, or demoted from SUPER_ADMIN."""
    role, home = (Role.USER, birch) if how == "moved" else (Role.SUPER_ADMIN, acme)
    known = {
        "first_name": "Kestrel",
        "last_name": "Kestrel",
        "invited_at": now(),
    }  # so the new address takes effect at once
    kim = build.person("kestrel@example.net", role=role, tenant=home, **known)
    visitor = Visitor(app, root)
    sent = edited(kim, first_name="Kim", last_name="Kelly", email="kim@example.com", organization_id="acme")
    answer = save(visitor, kim, {**sent, "role": "ADMIN"})
    assert answer.status_code == 303, answer.text[:500]
    return kim


@pytest.mark.parametrize("how", ["moved", "demoted"])
@LAYERS
def test_lg5_former_values_of_a_person_who_becomes_visible_to_the_tenant_stay_hidden(
    app: Flask, build: Builder, acme: Tenant, birch: Tenant, ada: Person, root: Person, how: str
) -> None:
    at = now().isoformat()
    kim = arrive(app, build, root, how, birch, acme)

    visitor = Visitor(app, ada)
    texts = responses(app, ada, kim)
    texts["then"] = visitor.get(f"/activity/people/{kim.id}", query_string={"at": at}).text.lower()
    texts["now"] = visitor.get(f"/activity/people/{kim.id}", query_string={"at": now().isoformat()}).text.lower()

    assert "kim" in texts[f"/activity/people/{kim.id} False"]
    assert "did not exist here yet" in texts["then"]
    assert "kim@example.com" in texts["now"]
    assert leaks(texts, "kestrel", "birch", "super admin", "super_admin", birch.id) == []
    assert "empty" not in texts[f"/activity/people/{kim.id} False"]


@pytest.mark.parametrize("how", ["moved", "demoted"])
def test_lg5_an_admin_cannot_undo_the_change_that_brought_somebody_into_the_tenant(
    app: Flask, build: Builder, acme: Tenant, birch: Tenant, ada: Person, root: Person, how: str
) -> None:
    kim = arrive(app, build, root, how, birch, acme)
    visitor = Visitor(app, ada)
    first = visitor.post(f"/activity/people/{kim.id}/undo", {"version": "2"})
    sent = {"email": "kim2@example.com", "first_name": "K", "last_name": "K", "version": "2", "role": "USER"}
    save(visitor, kim, edited(kim, **sent))

    second = visitor.post(f"/activity/people/{kim.id}/undo", {"version": "2"})

    assert (first.status_code, second.status_code) == (404, 404)
    assert "kestrel" not in visitor.get(f"/users/{kim.id}").text.lower()
    assert build.read(User, kim.id).email == "kim2@example.com"


def test_lg5_a_super_admin_sees_the_values_before_a_move(
    app: Flask, build: Builder, acme: Tenant, birch: Tenant, root: Person
) -> None:
    kim = arrive(app, build, root, "moved", birch, acme)

    text = Visitor(app, root).get(f"/activity/people/{kim.id}").text

    for word in ("kestrel@example.net", "<del>Birch</del>", "<ins>Acme</ins>", root.name):
        assert word in text


def test_lg5_a_user_sees_only_the_history_of_their_own_account(
    app: Flask, ada: Person, uma: Person, root: Person
) -> None:
    Visitor(app, ada).post(f"/users/{uma.id}/edit", edited(uma, first_name="Ulla"))
    far_away(app, root).post(
        f"/users/{uma.id}/edit", edited(uma, first_name="Una", version="2", organization_id="acme")
    )
    Visitor(app, root).post(f"/users/{ada.id}/edit", edited(ada, first_name="Adele", organization_id="acme"))
    visitor = Visitor(app, uma)

    text = visitor.get("/account/").text

    for path in ("/", "/export", f"/{uuid.uuid4()}", f"/people/{uma.id}", f"/organizations/{uma.organization_id}"):
        assert visitor.get(f"/activity{path}").status_code == 403
    for words in ("<b>Adele Example</b> changed the first name", "<del>Uma</del>", "<ins>Ulla</ins>"):
        assert words in text
    assert "<b>System administrator</b> changed the first name" in text
    for secret in (root.name, root.email, str(root.id), ADDRESS, AGENT["User-Agent"], "<del>Ada</del>"):
        assert secret not in text
    assert "/undo" not in text


def test_lg7_activity_of_deleted_people_keeps_their_name(
    app: Flask, build: Builder, acme: Tenant, ada: Person, uma: Person, root: Person
) -> None:
    eve = build.person("eve@example.com", role=Role.ADMIN, tenant=acme)
    Visitor(app, eve).post(f"/users/{uma.id}/edit", edited(uma, first_name="Ulla"))
    Visitor(app, ada).confirm(f"/users/{eve.id}/delete")

    for reader in (ada, root):
        for path in (f"/activity/?by={eve.id}&action=update", f"/activity/export?row={uma.id}", f"/users/{uma.id}"):
            text = Visitor(app, reader).get(path).text
            assert eve.name in text, path
            assert "Ulla" in text or "by=" in path, path


def test_lg7_activity_of_people_who_were_removed_for_good_stays_readable(
    app: Flask, build: Builder, acme: Tenant, ada: Person, uma: Person, root: Person
) -> None:
    eve = build.person("eve@example.com", role=Role.ADMIN, tenant=acme)
    Visitor(app, eve).post(f"/users/{uma.id}/edit", edited(uma, first_name="Ulla"))
    with acting(app):
        command(db.session.execute)(delete(User).where(User.id == eve.id))

    everything, within = Visitor(app, root), Visitor(app, ada)
    assert "A removed person" in everything.get(f"/users/{uma.id}").text
    for visitor in (everything, within):
        for path in ("/activity/", f"/activity/export?row={uma.id}", f"/activity/people/{uma.id}"):
            answer = visitor.get(path)
            assert answer.status_code == 200
        assert "<ins>Ulla</ins>" in visitor.get(f"/activity/people/{uma.id}").text
        gone = visitor.get("/activity/?action=remove").text
        assert "removed for good" in gone
        assert eve.email in gone
        assert f"/users/{eve.id}" not in gone


def test_lg7_removed_colleagues_are_shown_as_removed_and_removed_outsiders_as_system_administrator(
    app: Flask, build: Builder, acme: Tenant, birch: Tenant, ada: Person, uma: Person
) -> None:
    eve = build.person("eve@example.com", role=Role.ADMIN, tenant=acme)
    moved = build.person("moved@example.com", role=Role.ADMIN, tenant=acme)
    chief = build.person("chief@example.com", role=Role.SUPER_ADMIN, tenant=acme)
    for version, (actor, name) in enumerate(((eve, "Eve"), (moved, "Moved"), (chief, "Chief")), start=1):
        with acting(app, actor):
            users.update(uma.id, version, {"first_name": f"By{name}"})
    with acting(app):
        users.update(moved.id, 1, {"organization_id": birch.id})
        command(db.session.execute)(delete(User).where(User.id.in_([eve.id, moved.id, chief.id])))

    actors = {reader: _who_changed(app, reader, uma) for reader in (ada, uma)}

    for who in actors.values():
        assert who.pop("ByEve") == "A removed person"
        assert who == dict.fromkeys(("ByMoved", "ByChief"), "System administrator")
    with acting(app, eve):
        users.update(uma.id, 4, {"first_name": "Last"})
    assert "by a removed person" in Visitor(app, ada).get(f"/users/{uma.id}").text


def _who_changed(app: Flask, reader: Person, person: Person) -> dict[str, str]:
    """Who changed the first name to which value, as the reader sees it."""
    with acting(app, reader):
        entries = entries_of(queries.of_row("users", person.id, {}, "/").page().rows)
    return {one.differences[0].after or "": one.actor for one in entries if one.differences}


def test_lg7_automatic_changes_are_by_the_system(
    app: Flask, build: Builder, ada: Person, uma: Person, root: Person
) -> None:
    for reader in (ada, root):
        assert re.search(r"<b>The system</b> created", Visitor(app, reader).get(f"/users/{uma.id}").text)
