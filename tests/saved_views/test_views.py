"""Saved views: private or shared, opened from the navigation, changed only by those who may."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core.actor import Role
from portal.core.db import db
from portal.core.history import Activity
from portal.core.keys import uuid7
from portal.features import RESOURCES
from portal.saved_views.commands import saved_views
from portal.saved_views.models import LOCKED, OPEN, PRIVATE, SavedView
from tests.acting import acting
from tests.cast import PASSWORD, Builder, Person, SignIn, Tenant, page_client
from tests.pages import HTMX, PageClient
from tests.selecting import act, agree


def saved(
    app: Flask,
    by: Person,
    name: str = "Admins",
    query: str = "role=ADMIN",
    sharing: str = OPEN,
    list_name: str = "users",
) -> uuid.UUID:
    """A view that the person saved."""
    with acting(app, by):
        values = {"name": name, "query": query, "sharing": sharing, "list_name": list_name}
        return saved_views.create(values, row_id=uuid7())


def opened(client: PageClient, key: uuid.UUID, **options: Any) -> str:
    return client.get(f"/users/?view={key}", **options).text


def save(client: PageClient, key: uuid.UUID, query: str, version: str = "1") -> Any:
    """Save a query into a view, from the list."""
    return client.send(f"/saved_views/{key}/save", {"query": query, "version": version}, at="/account/")


def navigation(client: PageClient) -> list[str]:
    """The views in the navigation."""
    menu = client.get("/account/").text.split("</nav>")[0]
    return re.findall(r'href="/\w+/\?view=[0-9a-f-]{36}"[^>]*>([^<]+)', menu)


def current(client: PageClient, url: str) -> list[str]:
    """What the navigation marks as current on a page."""
    menu = client.get(url).text.split("</nav>")[0]
    return [label for label in re.findall(r'aria-current="page">(?:<i[^>]*></i>)?([^<]+)', menu) if label.strip()]


@pytest.fixture
def eve(build: Builder, acme: Tenant) -> Person:
    """A second administrator of Acme."""
    return build.person("eve@example.com", role=Role.ADMIN, tenant=acme)


@pytest.fixture
def admin(client: PageClient, sign_in: SignIn, ada: Person, uma: Person) -> PageClient:
    sign_in(ada)
    return client


@pytest.fixture
def colleague(other_client: PageClient, sign_in: SignIn, eve: Person) -> PageClient:
    sign_in(eve, other_client)
    return other_client


def test_a_list_is_saved_and_opened_from_the_navigation(admin: PageClient) -> None:
    page = admin.get("/users/?role=ADMIN&columns=status,role&per_page=50&sort=name").text
    (link,) = re.findall(r'href="(/saved_views/new\?[^"]*)"', page)

    answer = admin.send(link.replace("&amp;", "&"), {**admin.form(link.replace("&amp;", "&")), "name": "Who decides"})

    assert answer.status_code == 303
    assert navigation(admin) == ["Who decides"]
    (url,) = set(re.findall(r'href="(/users/\?view=[^"]*)"', admin.get("/account/").text))
    assert answer.headers["Location"] == url
    shown = admin.get(url).text
    assert "<strong>Who decides</strong>" in shown
    assert "Changed</span>" not in shown
    assert "Role: Admin" in shown
    assert "ada@example" in re.sub("<wbr>", "", shown)
    assert "uma@example" not in re.sub("<wbr>", "", shown)
    assert re.findall(r"<th[^>]*>(?:<[^>]*>)*([A-Z]\w+)", shown)[:3] == ["Name", "Status", "Role"]
    assert f'href="{url}" aria-current="page"' in shown


def test_views_are_made_from_lists_so_nothing_else_offers_to_make_one(admin: PageClient) -> None:
    for address in ("/saved_views/", "/saved_views/?q=none", "/search?q=new+saved"):
        assert "New saved view" not in admin.get(address).text


def test_d6_saving_as_new_leaves_the_present_view_as_it_is(
    app: Flask, admin: PageClient, ada: Person, build: Builder
) -> None:
    first = saved(app, ada)
    changed = admin.get(f"/users/?role=USER&of={first}").text
    (link,) = re.findall(r'href="(/saved_views/new\?[^"]*)"', changed)
    address = link.replace("&amp;", "&")

    assert admin.send(address, {**admin.form(address), "name": "Users"}).status_code == 303

    assert navigation(admin) == ["Admins", "Users"]
    assert build.read(SavedView, first).query == "role=ADMIN"


def test_changes_are_saved_into_the_view_and_undone(app: Flask, admin: PageClient, ada: Person, build: Builder) -> None:
    key = saved(app, ada)
    page = admin.get(f"/users/?role=USER&of={key}", headers=HTMX).text
    assert "Changed</span>" in page
    query = re.findall(r'name="query" value="([^"]*)"', page)[0]

    answer = save(admin, key, query)

    assert answer.location == f"/users/?view={key}"
    assert build.read(SavedView, key).query == "role=USER"
    assert "Undo" in admin.get(answer.location).text
    assert admin.get(f"/activity/saved-views/{key}").status_code == 200
    assert admin.send(f"/activity/saved-views/{key}/undo", {"version": "2"}, at="/account/").status_code == 303
    assert build.read(SavedView, key).query == "role=ADMIN"


def test_a_view_that_somebody_else_changed_meanwhile_is_not_overwritten(
    app: Flask, admin: PageClient, ada: Person, build: Builder
) -> None:
    key = saved(app, ada)
    with acting(app, ada):
        saved_views.update(key, 1, {"query": "role=USER"})

    answer = save(admin, key, "q=x")

    assert "Not saved. Someone else changed the view" in admin.get(answer.location).text
    assert build.read(SavedView, key).query == "role=USER"


def test_a_private_view_is_visible_only_to_its_owner(app: Flask, colleague: PageClient, ada: Person) -> None:
    key = saved(app, ada, sharing=PRIVATE)

    assert navigation(colleague) == []
    for page in ("", "/edit", "/delete"):
        assert colleague.get(f"/saved_views/{key}{page}").status_code == 404
    assert save(colleague, key, "").status_code == 404
    assert "<strong>Admins" not in opened(colleague, key)
    assert "This view doesn’t exist, or it’s no longer shared with you." in opened(colleague, key)


def test_d7_a_colleague_opens_a_locked_view_but_cannot_change_it(
    app: Flask, admin: PageClient, colleague: PageClient, ada: Person, build: Builder
) -> None:
    key = saved(app, ada, sharing=LOCKED)
    assert navigation(colleague) == navigation(admin) == ["Admins"]
    changed = f"/users/?role=USER&of={key}"
    assert "Save changes" in admin.get(changed).text
    assert "Save changes" not in colleague.get(changed).text
    assert "Save as new…" in colleague.get(changed).text
    assert 'name="name"' not in colleague.get(f"/saved_views/{key}").text

    before = vars(build.read(SavedView, key))["version"]
    form = {"name": "Mine", "sharing": OPEN, "version": "1", "base": "{}"}
    assert save(colleague, key, "").status_code == 403
    assert colleague.send(f"/saved_views/{key}/edit", form).status_code == 403
    asked = colleague.form(f"/saved_views/{key}/delete")
    assert colleague.send(f"/saved_views/{key}/delete", asked).status_code == 403

    after = build.read(SavedView, key)
    assert (after.name, after.query, after.sharing, after.version, after.deleted_at) == (
        "Admins", "role=ADMIN", LOCKED, before, None,
    )  # fmt: skip


def test_many_views_are_changed_under_the_same_rules(
    app: Flask, admin: PageClient, colleague: PageClient, ada: Person, build: Builder
) -> None:
    both = locked, free = saved(app, ada, sharing=LOCKED), saved(app, ada, "Users", sharing=OPEN)
    deleted = "/saved_views/?status=deleted"

    act(colleague, "/saved_views/", "delete", both, own_password=PASSWORD)
    assert [build.read(SavedView, one).deleted_at is None for one in both] == [True, False]
    act(admin, "/saved_views/", "delete", [locked], own_password=PASSWORD)
    act(colleague, deleted, "restore", both)
    assert [build.read(SavedView, one).deleted_at is None for one in both] == [False, True]
    act(admin, deleted, "restore", [locked])
    assert build.read(SavedView, locked).deleted_at is None

    form = admin.form(f"/saved_views/{locked}/edit")
    assert admin.send(f"/saved_views/{locked}/edit", {**form, "name": "Everybody"}).status_code == 303
    with acting(app):
        newest = select(Activity.operation_id).where(Activity.row_id == locked).order_by(Activity.id.desc()).limit(1)
        undo = f"/activity/{db.session.scalar(newest)}/undo"
    assert agree(colleague, colleague.post(undo, data=colleague.form("/account/"))).status_code == 200
    assert build.read(SavedView, locked).name == "Everybody"


def test_d7_people_without_lists_can_do_nothing(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, uma: Person
) -> None:
    key = saved(app, ada)
    sign_in(uma)

    assert save(client, key, "").status_code == 403
    assert client.get(f"/users/?view={key}").status_code == 403
    assert "?view=" not in client.get("/account/").text


def test_a_locked_view_can_be_changed_once_its_creator_is_gone(
    app: Flask, colleague: PageClient, ada: Person, eve: Person, build: Builder
) -> None:
    key = saved(app, ada, sharing=LOCKED)
    with acting(app):
        RESOURCES["users"].records.delete(ada.id)

    assert navigation(colleague) == ["Admins"]
    assert save(colleague, key, "role=USER").status_code == 303
    assert build.read(SavedView, key).query == "role=USER"


def test_an_open_view_can_be_changed_by_colleagues_but_not_taken_away(
    app: Flask, colleague: PageClient, ada: Person, build: Builder
) -> None:
    key = saved(app, ada)
    form = colleague.form(f"/saved_views/{key}/edit")

    assert colleague.send(f"/saved_views/{key}/edit", {**form, "name": "All admins"}).status_code == 303
    form = colleague.form(f"/saved_views/{key}/edit")
    taken = colleague.send(f"/saved_views/{key}/edit", {**form, "sharing": PRIVATE})

    assert taken.status_code == 422
    assert "Only the person who created a shared view can make it private." in taken.text
    assert build.read(SavedView, key).name == "All admins"


def test_views_of_system_administrators_belong_to_no_tenant(
    app: Flask, admin: PageClient, root: Person, ada: Person, build: Builder
) -> None:
    key = saved(app, root, "Everywhere")
    other = page_client(app, build.person("grace@example.com", role=Role.SUPER_ADMIN))
    mine = saved(app, ada, "Acme’s")

    assert navigation(other) == ["Everywhere"]
    assert navigation(admin) == ["Acme’s"]
    assert admin.get(f"/saved_views/{key}").status_code == 404
    assert other.get(f"/saved_views/{mine}").status_code == 200


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("columns=role,phone_number", "This list has no column “phone number”, so it was left out."),
        ("phone=1&role=ADMIN", "This list has no filter “phone”, so it has no effect."),
        ("sort=phone", "“sort” has no such option, so it has no effect."),
        ("status=nowhere", "“status” has no such option, so it has no effect."),
        ("columns=organization_name", "This list has no column “organization name”, so it was left out."),
        ("&&=&a=%00%ff&" + "x=1&" * 400, "has no effect"),
        ("view=1&of=2&role=ADMIN", ""),
    ],
)
def test_d5_a_view_with_removed_fields_opens_and_says_what_it_left_out(
    app: Flask, admin: PageClient, ada: Person, query: str, told: str
) -> None:
    key = saved(app, ada, query=query)

    page = admin.get(f"/users/?view={key}")

    assert page.status_code == 200
    assert "<strong>Admins</strong>" in page.text
    assert told in page.text


def test_d8_filters_on_columns_that_are_not_shown_are_chips(app: Flask, admin: PageClient, ada: Person) -> None:
    key = saved(app, ada, query="role=ADMIN&two_factor=no&columns=created_at")

    page = opened(admin, key)

    assert "Role: Admin" in page
    assert "Two-factor authentication off" in page
    assert page.count('class="chip"') == 2


def test_a_list_opens_with_the_view_that_the_person_chose(app: Flask, admin: PageClient, ada: Person) -> None:
    key = saved(app, ada)
    assert 'name="view"' in admin.get("/users/arrange").text

    assert admin.send("/users/arrange", {"view": str(key), "per_page": "25"}).status_code == 303

    assert "<strong>Admins</strong>" in admin.get("/users/").text
    assert current(admin, "/users/") == ["Admins"]
    assert current(admin, "/users/?of=all") == current(admin, "/users/?role=USER") == ["People"]
    everybody = admin.get("/users/?of=all").text
    assert "<strong>Admins</strong>" not in everybody
    assert "&amp;of=all" in everybody
    assert "<strong>" not in admin.get("/users/?role=USER").text.split("<table")[0].split('id="users-table"')[1]
    with acting(app, ada):
        saved_views.delete(key)
    assert "<strong>Admins</strong>" not in admin.get("/users/").text


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "x" * 61},
        {"name": "x\x00"},
        {"sharing": "everybody"},
        {"list_name": "jobs"},
        {"list_name": ""},
        {"query": "x" * 2001},
        {"query": "a=\x01"},
    ],
)
def test_what_cannot_be_saved_is_refused_with_a_reason(admin: PageClient, fields: dict[str, str]) -> None:
    address = "/saved_views/new?list=users&query=role%3DADMIN"

    answer = admin.send(address, {**admin.form(address), "name": "Admins", **fields})

    assert answer.status_code in (400, 422)
    assert navigation(admin) == []


def test_a_name_is_taken_only_once_by_a_person_and_list(
    app: Flask, admin: PageClient, ada: Person, eve: Person
) -> None:
    saved(app, ada, sharing=PRIVATE)
    saved(app, eve, sharing=PRIVATE)
    address = "/saved_views/new?list=users"

    again = admin.send(address, {**admin.form(address), "name": "ADMINS"})
    shared = admin.send(address, {**admin.form(address), "name": "ADMINS", "sharing": OPEN})

    assert again.status_code == 422
    assert "A view with this name already exists." in again.text
    assert shared.status_code == 303


def test_what_a_view_keeps_is_described_before_and_after_saving_and_cancel_returns_to_the_list(
    app: Flask, admin: PageClient, ada: Person
) -> None:
    query = "role=ADMIN&status=deactivated&sort=name"
    form = admin.get("/saved_views/new", query_string={"list": "users", "query": query}).text
    key = saved(app, ada, query=query)

    assert "Saves this list of people with its filters (Deactivated, Role: Admin), sorting and columns." in form
    of_activity = admin.get("/saved_views/new?list=activity&query=period%3Dweek").text
    assert "Saves this list of activity with its filters (This week)." in of_activity
    assert 'href="/users/?role=ADMIN&amp;status=deactivated&amp;sort=name">Cancel' in form
    assert "<dt>Filters</dt><dd>Deactivated, Role: Admin</dd>" in admin.get(f"/saved_views/{key}").text
    assert 'href="/saved_views/">Cancel' in admin.get("/saved_views/new?list=nothing&query=x").text
    for page in (admin.get("/users/?status=deactivated&role=ADMIN").text, admin.get("/users/?invitation=expired").text):
        assert ("Save view…" in page) == ("Role: Admin" in page)


def test_the_search_opens_views_in_their_lists_and_finds_nobody_elses(
    app: Flask, admin: PageClient, ada: Person, eve: Person
) -> None:
    own, shared = saved(app, ada, "Own admins", sharing=PRIVATE), saved(app, eve, "Shared admins", sharing=LOCKED)
    saved(app, eve, "Hidden admins", sharing=PRIVATE)

    page = admin.get("/search?q=adm").text

    assert re.findall(r'href="/users/\?view=([^"]+)"><i class="icon[^>]*></i><span>([^<]+?) <', page) == [
        (str(own), "Own admins"), (str(shared), "Shared admins"),
    ]  # fmt: skip
    assert "Hidden" not in page


def test_hostile_arguments_of_a_view_are_ignored(admin: PageClient) -> None:
    for value in ("x", "../", "\U0001f600" * 300, str(uuid7())):
        for name in ("view", "of"):
            assert admin.get("/users/", query_string={name: value}).status_code == 200
    assert save(admin, uuid7(), "x").status_code == 404


def test_the_display_options_of_a_view_change_the_view_not_the_persons_list(
    app: Flask, admin: PageClient, ada: Person
) -> None:
    key = saved(app, ada)

    answer = admin.send(f"/users/arrange?view={key}", {"order": ["status"], "column": ["status"], "per_page": "50"})

    assert answer.location == f"/users/?role=ADMIN&per_page=50&of={key}&columns=status"
    assert "Changed</span>" in admin.get(answer.location).text
    assert admin.get("/users/").text.count("<th") == 7  # with the head


def test_the_activity_is_saved_as_a_view_and_opens_with_it(
    app: Flask, admin: PageClient, colleague: PageClient, ada: Person
) -> None:
    page = admin.get("/activity/?status=changes&action=update&per_page=50").text
    (link,) = re.findall(r'href="(/saved_views/new\?[^"]*)"', page)
    address = link.replace("&amp;", "&")

    assert admin.send(address, {**admin.form(address), "name": "Edits", "sharing": LOCKED}).status_code == 303

    assert navigation(admin) == navigation(colleague) == ["Edits"]
    (url,) = set(re.findall(r'href="(/activity/\?view=[^"]*)"', admin.get("/account/").text))
    for client in (admin, colleague):
        shown = client.get(url).text
        assert "<strong>Edits</strong>" in shown
        assert "Changed</span>" not in shown
        assert shown.count('class="chip"') == 1
        assert current(client, url) == ["Edits"]
    key = url.partition("=")[2]
    assert "Save changes" not in colleague.get(f"/activity/?action=delete&of={key}", headers=HTMX).text
    changed = admin.get(f"/activity/?action=delete&of={key}", headers=HTMX).text
    assert "Changed</span>" in changed
    query = re.findall(r'name="query" value="([^"]*)"', changed)[0]
    assert save(admin, uuid.UUID(key), query).location == url
    assert url in admin.get("/search?q=activity").text
    assert "<dd>Deleted</dd>" in admin.get(f"/saved_views/{key}").text
    assert "Activity" in admin.get("/saved_views/").text

    assert "columns" not in admin.get("/activity/arrange").text
    assert admin.send("/activity/arrange", {"view": key, "per_page": "25"}).location.startswith("/activity/")
    assert "<strong>Edits</strong>" in admin.get("/activity/").text
    assert current(admin, "/activity/") == ["Edits"]
    assert "<strong>Edits</strong>" not in admin.get("/activity/?of=all").text
    assert current(colleague, "/activity/") == ["Activity"]
    assert "<strong>" not in admin.get("/users/").text.split('id="users-table"')[1].split("<table")[0]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("action=vanished", "“action” has no such option, so it has no effect."),
        ("phone=1", "This list has no filter “phone”, so it has no effect."),
        ("columns=name", "This list has no column “name”, so it was left out."),
        ("status=gone&sort=gone&per_page=7", "“status” has no such option, so it has no effect."),
        ("from=2020-13-45&by=" + "%00" * 9 + "&team=\U0001f600" + "&x=1" * 400, "has no effect"),
    ],
)
def test_d5_a_view_of_the_activity_says_what_it_left_out(
    app: Flask, admin: PageClient, ada: Person, query: str, told: str
) -> None:
    key = saved(app, ada, query=query, list_name="activity")

    page = admin.get(f"/activity/?view={key}")

    assert page.status_code == 200
    assert "<strong>Admins</strong>" in page.text
    assert told in page.text
    assert admin.get(f"/activity/export?view={key}").status_code == 200
    assert "This view doesn’t exist" in admin.get(f"/users/?view={key}").text


def test_the_history_of_a_private_view_is_its_owners_alone(
    app: Flask, admin: PageClient, colleague: PageClient, ada: Person, root: Person, acme: Tenant, build: Builder
) -> None:
    key = saved(app, ada, "Suspected moles", query="q=mole", sharing=PRIVATE)
    form = admin.form(f"/saved_views/{key}/edit")
    assert admin.send(f"/saved_views/{key}/edit", {**form, "name": "Mole hunt"}).status_code == 303
    assert save(admin, key, "q=hunt", version="2").status_code == 303

    own = f"/activity/saved-views/{key}"
    assert "Suspected moles" in admin.get(own).text
    operation = re.findall(r'href="(/activity/[0-9a-f-]{36})"', admin.get(own).text)[0]
    assert "q=mole" in admin.get(operation).text
    assert admin.send(f"{own}/undo", {"version": "3"}, at="/account/").status_code == 303
    assert build.read(SavedView, key).query == "q=mole"
    assert "Suspected moles" in page_client(app, root).get(own).text
    assert colleague.get(own).status_code == colleague.get(operation).status_code == 404
    for url in ("/activity/", "/activity/?q=mole", "/activity/?action=update", "/activity/export", "/"):
        assert not re.search(r"Suspected|Mole|saved view\b", colleague.get(url).text.split("</nav>")[-1])
    with acting(app):
        seen = select(Activity.organization_id).where(Activity.row_id == key)
        assert set(db.session.scalars(seen)) == {None}

    form = admin.form(f"/saved_views/{key}/edit")
    assert admin.send(f"/saved_views/{key}/edit", {**form, "name": "Everyone", "sharing": OPEN}).status_code == 303
    shown = colleague.get(own).text
    assert "Everyone" in shown
    assert "Sharing" in shown
    assert not re.search("Suspected|Mole|=mole", shown + colleague.get("/activity/").text)
    assert save(admin, key, "q=x", version="6").status_code == 303
    assert "q=x" in colleague.get(own).text


def test_the_form_says_who_sees_the_history_of_a_private_view(admin: PageClient) -> None:
    assert "Only super administrators can also see a private view and its history." in re.sub(
        r"\s+", " ", admin.get("/saved_views/new?list=users").text
    )
