"""Viewing the portal as another person: who can, what is shown, that nothing can be changed, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from psycopg.errors import ReadOnlySqlTransaction
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from portal.auth.viewing import stop_overdue
from portal.core.actor import SYSTEM, Role, bind_read_only, unbind_read_only
from portal.core.clock import now
from portal.core.db import acting_as, command, db
from portal.core.history import Activity
from portal.organizations.models import Organization
from portal.tokens.models import Session
from portal.users.commands import users
from portal.users.models import User
from tests.acting import acting, age_authentication
from tests.cast import PASSWORD, Builder, Person, Tenant, page_client
from tests.pages import HTMX, PageClient, fields_of, text_of

REASON = "Support request 4711"
BANNER = "Stop viewing"
HIDDEN = (
    "/account/password",
    "/account/email",
    "/account/devices",
    "/account/export",
    "/account/second-factor",
    "/account/tokens/",
)


@pytest.fixture
def staff(app: Flask, ada: Person) -> PageClient:
    return page_client(app, ada)


def begin(client: PageClient, person: Person, **values: str) -> Any:
    path = f"/users/{person.id}/view-as"
    return client.post(path, data={**client.form(path), "reason": REASON, "minutes": "15", **values})


def begun(client: PageClient, person: Person) -> PageClient:
    assert begin(client, person).status_code == 303
    assert BANNER in text_of(client.get("/account/").text)
    return client


def stop(client: PageClient) -> Any:
    return client.send("/view-as/stop", at="/account/")


def events(app: Flask, person: Person) -> list[tuple[Any, ...]]:
    with acting(app):
        found = select(Activity.action, Activity.actor_id, Activity.organization_id, Activity.changes)
        mine = found.where(Activity.row_id == person.id, Activity.action.in_(("view_begun", "view_ended")))
        return [tuple(one) for one in db.session.execute(mine.order_by(Activity.id))]


@command
def change_session(person: Person, **values: Any) -> None:
    changed = update(Session).where(Session.user_id == person.id).values(values)
    db.session.execute(changed, execution_options={"synchronize_session": False})


def test_an_admin_views_as_a_person_who_sees_it_in_their_activity(
    app: Flask, staff: PageClient, ada: Person, uma: Person, acme: Tenant
) -> None:
    assert f"/users/{uma.id}/view-as" in staff.get(f"/users/{uma.id}").text
    answer = begin(staff, uma)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    page = text_of(staff.get("/account/").text)
    assert f"Viewing as {uma.name} until" in page
    assert uma.email in page
    assert staff.get("/users/").status_code == 403  # as for Uma

    answer = stop(staff)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/users/{uma.id}")
    page = text_of(staff.get(f"/users/{uma.id}").text)
    assert BANNER not in page
    assert "Ada Example started viewing the portal as Uma Example for up to 15 minutes" in text_of(
        staff.get("/activity/").text
    )
    begin_, end = events(app, uma)
    assert begin_ == ("view_begun", ada.id, acme.id, {"limit": [None, "15 minutes"], "reason": [None, REASON]})
    assert end == ("view_ended", ada.id, acme.id, {"when": [None, "before the time limit"]})
    own = text_of(page_client(app, uma).get("/account/").text)
    assert "Ada Example started viewing the portal as you for up to 15 minutes" in own
    assert "Ada Example stopped viewing the portal as you before the time limit" in own
    assert REASON in own


def test_a_super_admin_viewing_as_an_admin_sees_only_that_tenant(
    app: Flask, root: Person, ada: Person, uma: Person, bea: Person, acme: Tenant, birch: Tenant
) -> None:
    client = begun(page_client(app, root), ada)

    seen = client.get("/users/").text
    assert uma.email in seen
    assert bea.email not in seen
    assert client.get(f"/users/{bea.id}").status_code == 404
    assert client.get("/data/").status_code in (403, 404)
    stop(client)
    assert [one[:3] for one in events(app, ada)] == [(name, root.id, acme.id) for name in ("view_begun", "view_ended")]
    own = text_of(page_client(app, ada).get("/account/").text)
    assert "System administrator started viewing the portal as you" in own


@pytest.mark.parametrize(
    ("viewer", "person", "status"),
    [
        ("ada", "bea", 404), ("ada", "root", 404), ("ada", "ada", 403), ("ada", "gil", 404), ("uma", "ada", 403),
        ("uma", "uma", 403), ("root", "peer", 403), ("root", "root", 403), ("stray", "uma", 404), ("ada", "off", 409),
        ("ada", "late", 409), ("root", "lost", 409),
    ],
)  # fmt: skip
def test_nobody_views_as_somebody_with_more_rights_or_in_another_tenant(
    app: Flask, build: Builder, request: pytest.FixtureRequest, acme: Tenant, viewer: str, person: str, status: int
) -> None:
    request.getfixturevalue("ada")
    people: dict[str, Callable[[], Person]] = {
        "peer": lambda: build.person("peer@example.com", role=Role.SUPER_ADMIN, tenant=acme),
        "stray": lambda: build.person("stray@example.com", role=Role.ADMIN),
        "off": lambda: build.person("off@example.com", tenant=acme, is_active=False),
        "late": lambda: build.person("late@example.com", tenant=acme, expires_on=now().date() - timedelta(days=1)),
        "lost": lambda: build.person("lost@example.com", tenant=build.tenant("Gone", deleted_at=now())),
    }
    one, other = (people[name]() if name in people else request.getfixturevalue(name) for name in (viewer, person))
    client = page_client(app, one)
    values = {**client.form("/account/"), "reason": REASON, "minutes": "15"}

    answer = client.post(f"/users/{other.id}/view-as", data=values)

    assert answer.status_code == (422 if status == 409 else status)
    assert "can’t sign in" in answer.text if status == 409 else True
    assert not events(app, other)
    if status != 409:
        assert f"/users/{other.id}/view-as" not in client.get(f"/users/{other.id}").text


@pytest.mark.parametrize(
    "values",
    [
        {"reason": ""}, {"reason": " \u200b "}, {"reason": "x" * 201}, {"minutes": "999999"},
        {"minutes": ""}, {"minutes": "-15"}, {"minutes": "١٥"},
    ],
)  # fmt: skip
def test_hostile_reasons_and_time_limits_are_refused(
    app: Flask, staff: PageClient, uma: Person, values: dict[str, str]
) -> None:
    assert begin(staff, uma, **values).status_code == 422
    assert not events(app, uma)


def test_the_password_is_asked_again(app: Flask, staff: PageClient, ada: Person, uma: Person) -> None:
    with acting(app):
        age_authentication(ada)

    asked = begin(staff, uma)

    assert asked.status_code == 422
    assert "Enter your password to continue." in text_of(asked.text)
    assert not events(app, uma)
    path = f"/users/{uma.id}/view-as"
    assert staff.post(path, data={**fields_of(asked.text), "own_password": "wrong " + PASSWORD}).status_code == 422
    assert staff.post(path, data={**fields_of(asked.text), "own_password": PASSWORD}).status_code == 303
    assert BANNER in text_of(staff.get("/account/").text)


def test_pages_about_how_a_person_signs_in_are_not_shown(
    app: Flask, staff: PageClient, uma: Person, root: Person
) -> None:
    begun(staff, uma)
    for path in HIDDEN:
        answer = staff.get(path)
        assert answer.status_code == 403, path
        assert "You’re viewing as Uma Example" in text_of(answer.text)
    for path in ("/account/", "/search/", "/shortcuts"):
        assert staff.get(path).status_code in (200, 404), path


def test_nothing_can_be_changed_with_or_without_htmx_or_a_token(
    app: Flask, build: Builder, root: Person, ada: Person, uma: Person
) -> None:
    client = page_client(app, root)
    former = client.form("/account/")
    begun(client, ada)
    token = client.form("/account/")
    before = build.read(User, uma.id).version
    paths = [
        "/account/", "/account/tokens/", "/login", "/password/forgot", "/users/new", f"/users/{uma.id}/deactivation",
        f"/users/{uma.id}/view-as", f"/users/{uma.id}/password", f"/users/{uma.id}/edit", "/imports/", "/shortcuts",
    ]  # fmt: skip
    for path in paths:
        for fields in (token, former, {}):
            for headers in ({}, HTMX):
                answer = client.post(path, data={**fields, "reason": REASON, "first_name": "Eve"}, headers=headers)
                assert answer.status_code == 403, (path, answer.status_code)
                assert "You can’t change or download anything" in text_of(answer.text), path
    for method in ("put", "patch", "delete"):
        assert getattr(client, method)("/account/").status_code in (403, 405)
    assert client.get(f"/users/{uma.id}/view-as").status_code == 403  # one at a time
    assert build.read(User, uma.id).version == before
    assert client.post("/theme", data={**token, "theme": "dark"}).status_code == 303  # only this browser's


def test_downloads_that_the_history_records_are_refused(fresh_app: Flask) -> None:
    build = Builder(fresh_app)
    acme = build.tenant("Acme")
    root = build.person("root@example.com", role=Role.SUPER_ADMIN)
    ada, uma = (build.person(f"{name}@example.com", role=role, tenant=acme) for name, role in WHO)
    client = begun(page_client(fresh_app, root), ada)

    for path in (f"/users/{uma.id}/export", "/users/export", "/activity/export"):
        answer = client.get(path)
        assert (answer.status_code, "You can’t change or download anything" in answer.text) == (403, True), path
    pages = [
        rule.rule for rule in fresh_app.url_map.iter_rules() if "GET" in (rule.methods or ()) and not rule.arguments
    ]
    shown = {page: client.get(page).status_code for page in pages if not page.startswith(("/static", "/api"))}
    assert {page for page, status in shown.items() if status >= 500} - {"/readyz", "/metrics"} == set()
    assert shown["/users/"] == shown["/activity/"] == shown["/"] == 200


WHO = (("ada", Role.ADMIN), ("uma", Role.USER))


def test_the_database_refuses_every_write(fresh_app: Flask) -> None:
    build = Builder(fresh_app)
    acme = build.tenant("Acme")
    ada = build.person("ada@example.com", role=Role.ADMIN, tenant=acme)
    writes = (
        "UPDATE users SET first_name = 'Eve'", "DELETE FROM users", "INSERT INTO rate_limits VALUES ('x', now())",
        "SELECT nextval('activity_id_seq')", "COPY rate_limits FROM STDIN", "SELECT id FROM users FOR UPDATE",
        "SET transaction_read_only = off; UPDATE users SET first_name = 'Eve'", "TRUNCATE sessions",
        "SELECT portal_record('sign_in', NULL, NULL, NULL, NULL, NULL, NULL, false)",
    )  # fmt: skip
    for person in (ada, None):
        with acting(fresh_app, person):
            token = bind_read_only()
            try:
                for write in writes:
                    with pytest.raises(DBAPIError) as refused:
                        db.session.execute(text(write))
                    assert person or "SET" in write or isinstance(refused.value.orig, ReadOnlySqlTransaction), write
                    db.session.rollback()
                assert db.session.scalar(text("SHOW transaction_read_only")) == "on"
                db.session.rollback()
                with acting_as(SYSTEM):
                    assert db.session.scalar(text("SHOW transaction_read_only")) == "on"
            finally:
                unbind_read_only(token)
                db.session.rollback()
            assert db.session.scalar(text("SHOW transaction_read_only")) == "off"


def test_viewing_ends_at_the_time_limit(
    app: Flask, staff: PageClient, ada: Person, uma: Person, build: Builder
) -> None:
    begun(staff, uma)
    form = staff.form("/account/")
    with acting(app):
        change_session(ada, viewing_until=now() - timedelta(seconds=1))

    answer = staff.post("/account/", data={**form, "first_name": "Eve"})

    assert answer.status_code == 400  # a form of Uma's page changes nobody
    assert {build.read(User, one.id).first_name for one in (ada, uma)} == {"Ada", "Uma"}
    assert events(app, uma)[1][3] == {"when": [None, "at the time limit"]}
    page = staff.get("/account/")
    assert ada.email in page.text
    assert staff.post("/account/", data={**form, "first_name": "Eve"}).status_code == 400
    assert staff.send("/account/", {"first_name": "Adah"}).status_code == 303


@pytest.mark.parametrize(
    "change",
    [
        lambda ada, uma: users.set_value(uma.id, "role", Role.ADMIN),
        lambda ada, uma: users.set_value(uma.id, "organization_id", None),
        lambda ada, uma: users.set_active(uma.id, is_active=False),
        lambda ada, uma: users.set_value(ada.id, "role", Role.USER),
        lambda ada, uma: users.set_value(ada.id, "organization_id", None),
    ],
    ids=["promoted", "moved", "deactivated", "demoted", "viewer moved"],
)
def test_viewing_ends_when_access_changes(
    app: Flask, staff: PageClient, root: Person, ada: Person, uma: Person, change: Callable[[Person, Person], object]
) -> None:
    begun(staff, uma)
    with acting(app, root):
        change(ada, uma)

    page = text_of(staff.get("/account/").text)

    assert "You’re viewing the portal as yourself again" in page
    assert ada.email in page
    assert BANNER not in page
    assert [one[0] for one in events(app, uma)] == ["view_begun", "view_ended"]


def test_viewing_ends_when_the_viewer_needs_two_factor(
    app: Flask, staff: PageClient, uma: Person, acme: Tenant
) -> None:
    begun(staff, uma)
    with acting(app):
        require_two_factor(acme)

    answer = staff.get("/account/")

    assert (answer.status_code, answer.headers["Location"]) == (303, "/account/second-factor")
    assert [one[0] for one in events(app, uma)] == ["view_begun", "view_ended"]


@command
def require_two_factor(tenant: Tenant) -> None:
    db.session.execute(update(Organization).where(Organization.id == tenant.id).values(two_factor_for="ADMIN"))


def test_viewing_ends_with_the_session_and_the_worker_records_it(
    app: Flask, staff: PageClient, ada: Person, uma: Person, root: Person
) -> None:
    begun(staff, uma)
    assert staff.send("/logout", at="/account/").status_code == 303
    assert [one[0] for one in events(app, uma)] == ["view_begun", "view_ended"]
    assert staff.get("/account/").status_code == 303

    again = begun(page_client(app, ada), uma)
    with app.app_context():
        assert stop_overdue() == 0
    with acting(app, root):
        users.set_active(ada.id, is_active=False)
    assert again.get("/account/").status_code == 303
    with app.app_context():
        assert (stop_overdue(), stop_overdue()) == (1, 0)
    assert [one[:2] for one in events(app, uma)][2:] == [("view_begun", ada.id), ("view_ended", ada.id)]


def test_api_tokens_and_other_sessions_of_the_viewer_are_not_affected(
    app: Flask, staff: PageClient, ada: Person, uma: Person
) -> None:
    other = page_client(app, ada)
    begun(staff, uma)

    page = text_of(other.get("/account/").text)

    assert BANNER not in page
    assert other.send("/account/", {"first_name": "Adah"}).status_code == 303
    assert BANNER not in text_of(page_client(app, uma).get("/account/").text)


def test_a_person_with_a_required_step_can_be_viewed(
    app: Flask, build: Builder, staff: PageClient, acme: Tenant
) -> None:
    new = build.person("new@example.com", tenant=acme, must_change_password=True)
    begun(staff, new)
    assert staff.get("/account/").status_code == 200


def test_stopping_without_viewing_leads_to_the_home_page(staff: PageClient, client: PageClient) -> None:
    answer = staff.post("/view-as/stop", data=staff.form("/account/"))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert staff.post("/view-as/stop").status_code == 400
