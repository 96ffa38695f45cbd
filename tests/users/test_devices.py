"""People see and end their own sessions, administrators those of their organization, and nobody any others."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text, update

from portal.core.actor import Origin, Role, bind_origin, unbind_origin
from portal.core.clock import now
from portal.core.db import command, db
from portal.core.errors import Missing, NotAllowed
from portal.core.history import Activity
from portal.tokens.commands import Lifetime, add_session
from portal.tokens.models import RefreshToken, Session
from portal.tokens.queries import is_live
from portal.users.devices import SHOWN, devices_of, end_all, end_one
from tests.access.visitor import NOT_FOUND, SIGN_IN, Visitor, outcome
from tests.acting import acting
from tests.cast import Builder, Person, Tenant

WEEK = Lifetime(timedelta(days=7), timedelta(days=7))
HTMX = pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
HOSTILE = [
    "",
    "all",
    "0",
    "' OR 1=1 --",
    "\x00",
    "٣" * 32,
    "{" + "0" * 32 + "}",
    "00000000-0000-0000-0000-000000000000",
]


def session(
    app: Flask, person: Person, *, rotated: int = 0, agent: str = "robot/1", address: str = "192.0.2.9"
) -> uuid.UUID:
    """The ID of a session of an API client."""
    origin = bind_origin(Origin("", address, agent))
    try:
        with acting(app):
            return _client_session(person, rotated)
    finally:
        unbind_origin(origin)


@command
def _client_session(person: Person, rotated: int) -> uuid.UUID:
    key = add_session(person.id, person.organization_id, now(), lifetime=WEEK, token=None)
    for number in range(rotated + 1):
        token = RefreshToken(token=f"{key} {number}", user_id=person.id, organization_id=person.organization_id)
        token.session_id = key
        token.expires_at = db.session.scalars(select(Session.expires_at).where(Session.id == key)).one()
        token.revoked_at = token.expires_at if number < rotated else None
        db.session.add(token)
        db.session.flush()
    return key


def active_sessions(app: Flask, person: Person) -> set[uuid.UUID]:
    with acting(app):
        return set(db.session.scalars(select(Session.id).where(Session.user_id == person.id, is_live())))


def recorded_ends(app: Flask) -> list[tuple[str, uuid.UUID | None, uuid.UUID | None, uuid.UUID | None]]:
    """The recorded ends of sessions: action, actor, person and tenant."""
    ended = Activity.action.in_(("end_session", "end_sessions"))
    with acting(app):
        found = db.session.scalars(select(Activity).where(ended).order_by(Activity.id))
        return [(one.action, one.actor_id, one.row_id, one.organization_id) for one in found]


def buttons(page: str) -> list[str]:
    return re.findall(r'name="session" value="([^"]+)"', page)


@HTMX
def test_se7_a_person_can_end_one_of_their_sessions(app: Flask, uma: Person, *, htmx: bool) -> None:
    here, there, elsewhere = (Visitor(app, uma) for _ in range(3))
    (key, _) = buttons(there.get("/account/devices").text)

    answer = there.post("/account/devices/end", {"session": key}, htmx=htmx)

    assert (answer.headers.get("Location") or answer.headers["HX-Redirect"]) == "/account/devices"
    assert key not in there.get("/account/devices").text
    assert sorted(outcome(one.get("/account/")) for one in (here, elsewhere)) == [SIGN_IN, "page"]
    assert recorded_ends(app) == [("end_session", uma.id, uma.id, uma.organization_id)]


@HTMX
def test_se7_a_person_can_end_all_sessions_but_the_current_one(
    app: Flask, uma: Person, ada: Person, *, htmx: bool
) -> None:
    others, here, foreign = [Visitor(app, uma), Visitor(app, uma)], Visitor(app, uma), Visitor(app, ada)
    client = session(app, uma)

    here.post("/account/devices/end-others", htmx=htmx)

    assert "3 devices were signed out." in here.get("/account/devices").text
    assert [outcome(one.get("/account/")) for one in (*others, foreign)] == [SIGN_IN, SIGN_IN, "page"]
    assert client not in active_sessions(app, uma)
    here.post("/account/devices/end-others", htmx=htmx)
    assert recorded_ends(app) == [("end_sessions", uma.id, uma.id, uma.organization_id)]  # only once


def test_se7_the_list_shows_client_address_and_refreshes_and_marks_this_device(app: Flask, uma: Person) -> None:
    visitor = Visitor(app)
    visitor.client.environ_base["HTTP_USER_AGENT"] = "Mozilla/5.0 (X11; Linux x86_64) Chrome/131.0.0.0 Safari/537.36"
    visitor.sign_in(uma)
    session(app, uma, rotated=14, agent="python-requests/2.32", address="198.51.100.7")
    session(app, uma, rotated=1, agent="", address="")

    page = visitor.get("/account/devices").text

    assert page.count("This device") == 1
    assert re.search(r"Chrome on Linux.{0,200}This device.{0,300}In use now from 127\.0\.0\.1", page, re.S)
    assert re.search(
        r"python-requests.{0,100}API client.{0,300}from 198\.51\.100\.7.{0,200}refreshed 14 times", page, re.S
    )
    assert re.search(r"An unnamed program.{0,300}refreshed 1 time\.", page, re.S)
    assert len(buttons(page)) == 2


def test_se7_pages_show_neither_tokens_nor_their_digests(app: Flask, uma: Person, root: Person, ada: Person) -> None:
    visitors = [Visitor(app, person) for person in (uma, ada, root)]
    session(app, uma)
    with acting(app):
        stored = db.session.scalars(text("SELECT token FROM sessions UNION SELECT token FROM refresh_tokens")).all()
    with visitors[0].client.session_transaction() as cookie:
        secrets = [cookie["_user_id"], *filter(None, stored)]

    pages = [visitors[0].get("/account/devices"), *(one.get(f"/users/{uma.id}") for one in visitors[1:])]

    assert len(secrets) == 5
    for page in pages:
        assert page.status_code == 200
        assert not [secret for secret in secrets if secret in page.text]


@HTMX
@pytest.mark.parametrize("who", ["ada", "root"])
def test_se7_an_administrator_can_end_one_or_all_sessions_of_a_person(
    app: Flask, uma: Person, ada: Person, root: Person, who: str, *, htmx: bool
) -> None:
    boss = {"ada": ada, "root": root}[who]
    theirs, visitor, client = Visitor(app, uma), Visitor(app, boss), session(app, uma)
    shown = visitor.get(f"/users/{uma.id}").text
    assert set(buttons(shown)) == {str(key) for key in active_sessions(app, uma)}

    visitor.post(f"/users/{uma.id}/sign-ins/end", {"session": client}, htmx=htmx)
    assert outcome(theirs.get("/account/")) == "page"
    assert len(active_sessions(app, uma)) == 1
    visitor.post(f"/users/{uma.id}/sign-ins/end-all", htmx=htmx)

    assert outcome(theirs.get("/account/")) == SIGN_IN
    assert "Not signed in anywhere." in visitor.get(f"/users/{uma.id}").text
    expected = [(action, boss.id, uma.id, uma.organization_id) for action in ("end_session", "end_sessions")]
    assert recorded_ends(app) == expected
    page = Visitor(app, ada).get(f"/activity/people/{uma.id}").text
    assert all(verb in page for verb in ("ended a session of", "ended all sessions of"))


@HTMX
def test_se7_admin_cannot_see_or_end_sessions_of_other_tenants_or_super_admins(
    app: Flask, build: Builder, acme: Tenant, uma: Person, ada: Person, bea: Person, *, htmx: bool
) -> None:
    chief = build.person("chief@example.com", role=Role.SUPER_ADMIN, tenant=acme)
    visitor, own = Visitor(app, ada), session(app, uma)
    for person in (bea, chief):
        key = session(app, person)
        assert outcome(visitor.get(f"/users/{person.id}", htmx=htmx)) == NOT_FOUND
        for path in (f"/users/{person.id}", f"/users/{uma.id}", f"/users/{ada.id}"):
            assert outcome(visitor.post(f"{path}/sign-ins/end", {"session": key}, htmx=htmx)) == NOT_FOUND
        assert outcome(visitor.post(f"/users/{person.id}/sign-ins/end", {"session": own}, htmx=htmx)) == NOT_FOUND
        assert outcome(visitor.post(f"/users/{person.id}/sign-ins/end-all", htmx=htmx)) == NOT_FOUND
        assert outcome(visitor.post("/account/devices/end", {"session": key}, htmx=htmx)) == NOT_FOUND
        assert active_sessions(app, person) == {key}
    assert active_sessions(app, uma) == {own}
    assert recorded_ends(app) == []


def test_se7_a_user_cannot_end_sessions_of_colleagues(app: Flask, uma: Person, ada: Person) -> None:
    visitor, key = Visitor(app, uma), session(app, ada)

    assert outcome(visitor.post("/account/devices/end", {"session": key})) == NOT_FOUND
    assert outcome(visitor.post(f"/users/{ada.id}/sign-ins/end", {"session": key})) == "403"
    with acting(app, uma):
        for end in (lambda: end_one(ada.id, key), lambda: end_all(ada.id, besides=key)):
            with pytest.raises(Missing):
                end()

    assert active_sessions(app, ada) == {key}


def test_se7_the_command_requires_permission_to_change_the_person(
    app: Flask, build: Builder, uma: Person, ada: Person, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = session(app, uma)
    monkeypatch.setattr("portal.users.models.User.may_be_changed_by", lambda _user, _actor: False)

    with acting(app, ada), pytest.raises(NotAllowed):
        end_one(uma.id, key)

    assert active_sessions(app, uma) == {key}


@HTMX
@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_se7_invalid_session_ids_are_rejected(app: Flask, uma: Person, root: Person, value: str, *, htmx: bool) -> None:
    visitor, key = Visitor(app, root), session(app, uma)

    for path in ("/account/devices/end", f"/users/{uma.id}/sign-ins/end"):
        assert visitor.post(path, {"session": value}, htmx=htmx).status_code in (400, 404)

    assert active_sessions(app, uma) == {key}


def test_ending_a_session_twice_is_recorded_once(app: Flask, uma: Person) -> None:
    visitor, key = Visitor(app, uma), session(app, uma)

    answers = [visitor.post("/account/devices/end", {"session": key}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [303, 303]
    assert len(recorded_ends(app)) == 1


def test_ending_the_current_session_signs_out(app: Flask, uma: Person) -> None:
    visitor = Visitor(app, uma)
    (key,) = active_sessions(app, uma)

    visitor.post("/account/devices/end", {"session": key})

    assert outcome(visitor.get("/account/devices")) == SIGN_IN


def test_an_administrator_who_ends_all_their_sessions_keeps_the_current_one(app: Flask, ada: Person) -> None:
    other, here = Visitor(app, ada), Visitor(app, ada)

    here.post(f"/users/{ada.id}/sign-ins/end-all")

    assert [outcome(one.get("/")) for one in (other, here)] == [SIGN_IN, "page"]


def test_sessions_from_before_a_move_to_another_tenant_still_belong_to_the_person(
    app: Flask, birch: Tenant, ada: Person, bea: Person, uma: Person
) -> None:
    keys = {session(app, one) for one in (ada, ada)}
    with acting(app):
        moved = update(Session).where(Session.user_id == ada.id).values(organization_id=birch.id)
        db.session.execute(moved, execution_options={"synchronize_session": False})
        db.session.commit()
    with acting(app, ada):
        assert {row.id for row in devices_of(ada.id).rows} == keys
        assert end_all(ada.id, besides=uuid.uuid4()) == 2
    with acting(app, bea):
        assert devices_of(ada.id).total == 0  # the tenant of a session gives no access to it


def test_the_list_shows_the_most_recent_sessions_and_the_total(app: Flask, uma: Person) -> None:
    visitor = Visitor(app, uma)
    with acting(app):
        for _ in range(SHOWN + 9):
            command(add_session)(uma.id, uma.organization_id, now(), lifetime=WEEK, token=None)

    page = visitor.get("/account/devices").text

    assert len(buttons(page)) + page.count("This device") == SHOWN
    assert f"These are the most recently used of {SHOWN + 10}." in page


def test_an_api_client_is_listed_without_details_that_do_not_apply(app: Flask, uma: Person) -> None:
    visitor = Visitor(app, uma)
    fresh = session(app, uma)
    with acting(app):
        command(lambda: db.session.execute(update(Session).where(Session.id == fresh).values(is_kept=True)))()

    assert "refreshed" not in (page := visitor.get("/account/devices").text)
    assert "Kept signed in" not in page
    session(app, uma, rotated=1)
    assert "refreshed 1 time" in visitor.get("/account/devices").text
