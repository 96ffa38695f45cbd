"""The search as a page and as a dialog, for each role; keyboard shortcuts and their switch."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from urllib.parse import quote

import pytest
from flask import Flask

from portal.core.actor import Role
from portal.search.finding import MOST
from portal.teams.commands import teams
from portal.web.given import found
from tests.access.visitor import Visitor
from tests.acting import acting
from tests.cast import Builder, Person, SignIn, Tenant
from tests.pages import HTMX, PageClient

HIT = re.compile(r'<(?:a|button) class="hit".*?<span>([^<]*)', re.S)
GROUP = re.compile(r'id="group-\d+">(.*?)</')
HOSTILE = (
    "%", "_", "\\", "'; DROP TABLE users;--", "😀", "\u202eada",
    "شركة", "日本", "\u0301", "{{7*7}}", "<script>", "x" * 10_000,
    "a " * 5_000, "@", "..", "00000000-0000-0000-0000-000000000000", "ada@", "@example.com", " ", "\t\n", "ß", "İ",
)  # fmt: skip


def hits(text: str) -> list[str]:
    return [one.strip() for one in HIT.findall(text)]


@pytest.fixture
def drivers(app: Flask, acme: Tenant) -> uuid.UUID:
    with acting(app):
        return teams.create({"name": "Drivers", "organization_id": acme.id}, row_id=uuid.uuid4()) or uuid.UUID(int=0)


def test_one_search_finds_pages_actions_people_organizations_and_teams(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, root: Person, drivers: uuid.UUID
) -> None:
    build.person("new@example.com", tenant=acme, first_name="New", last_name="Driver")
    build.tenant("New Harbor")
    sign_in(root)

    page = client.get("/search?q=new").text
    options = client.get("/search/dialog?q=new", headers=HTMX).text

    assert GROUP.findall(page) == ["Pages and actions", "People", "Organizations"]
    assert hits(page) == ["New person", "New organization", "New team", "New Driver", "New Harbor"]
    assert hits(options) == hits(page)
    assert f'href="/teams/{drivers}"' in client.get("/search?q=drivers").text
    assert hits(client.get("/search?q=2fa").text) == ["Two-factor authentication"]
    assert hits(client.get("/search?q=reports").text) == ["Reports"]
    assert hits(client.get("/search?q=failed").text) == ["Failed emails"]
    assert "<title>" not in options
    assert options.count('role="option"') == 5


@pytest.mark.parametrize("role", list(Role))
def test_everybody_finds_only_pages_and_actions_that_they_may_open(
    app: Flask, build: Builder, acme: Tenant, role: Role
) -> None:
    person = build.person("x@example.com", role=role, tenant=acme)
    visitor = Visitor(app, person)

    page = visitor.get("/search").text

    linked = re.findall(r'<a class="hit" href="([^"]+)"', page)
    assert len(set(linked)) == len(linked)
    assert {url for url in linked if visitor.get(url).status_code not in (200, 303)} == set()
    assert ("Invite people" in hits(page)) == (role is not Role.USER)
    assert ({"Reports", "Following", "Organization settings", "Inactive people"} <= set(hits(page))) == (
        role is not Role.USER
    )
    assert ("New organization" in hits(page)) == ("Data browser" in hits(page)) == (role is Role.SUPER_ADMIN)
    assert hits(page)[-1] == "Sign out"


def test_rows_of_other_tenants_and_hidden_people_are_not_found(
    app: Flask, build: Builder, acme: Tenant, birch: Tenant, ada: Person, uma: Person, bea: Person, drivers: uuid.UUID
) -> None:
    chief = build.person("chief@example.com", role=Role.SUPER_ADMIN, tenant=acme)
    admin, user, other = Visitor(app, ada), Visitor(app, uma), Visitor(app, bea)

    for text in ("bea", "bea@example.com", "birch", str(bea.id), str(birch.id), "chief@example.com", str(chief.id)):
        for path in (f"/search?q={text}", f"/search/dialog?q={text}"):
            assert hits(admin.get(path, htmx=True).text) == [], text
    assert hits(other.get("/search?q=drivers").text) == []
    assert hits(other.get(f"/search?q={drivers}").text) == []
    assert hits(admin.get("/search?q=acme").text) == ["Acme"]
    for text in ("ada", "uma", "acme", str(uma.id)):
        assert hits(user.get(f"/search?q={text}").text) == [], text


def test_what_the_text_identifies_comes_first_whatever_its_state(
    app: Flask, build: Builder, acme: Tenant, ada: Person, gil: Person, guest: Person
) -> None:
    for number in range(MOST + 1):
        build.person(f"guest.gil{number}@example.com", tenant=acme, first_name="Guest", last_name=f"Gil {number}")
    off = build.person("off@example.com", tenant=acme, is_active=False)
    admin = Visitor(app, ada)

    for text, person, state in (
        ("GIL@example.com", gil, "Deleted"), (str(gil.id), gil, "Deleted"), (guest.email, guest, "Invited"),
        (str(guest.id).upper(), guest, "Invited"), ("off", off, "Deactivated"),
    ):  # fmt: skip
        page = admin.get(f"/search?q={text}").text
        assert page.index(f'href="/users/{person.id}"') == page.index('href="/users/', page.index("<main")), text
        assert state in page


def test_exact_names_of_groups_come_first(client: PageClient, sign_in: SignIn, build: Builder, root: Person) -> None:
    for number in range(MOST + 1):
        build.tenant(f"Harbor {number}")
    build.tenant("Zebra", slug="harbor")
    sign_in(root)

    assert hits(client.get("/search?q=harbor").text)[0] == "Zebra"
    assert GROUP.findall(client.get("/search?q=people").text)[0] == "Pages and actions"


def test_a_link_leads_to_all_of_them(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person
) -> None:
    for number in range(MOST + 2):
        build.person(f"p{number}@example.com", tenant=acme, first_name="Crowd", last_name=str(number))
    sign_in(ada)

    page = client.get("/search?q=crowd").text

    assert len(hits(page)) == MOST + 1
    assert hits(page)[-1] == f"All {MOST + 2} matching people"
    assert 'href="/users/?q=crowd"' in page
    assert hits(client.get("/search/dialog?q=crowd", headers=HTMX).text)[-1] == "All matching people"
    assert len(hits(client.get("/search?q=crowd+1").text)) == 1


def test_hostile_texts_are_searched_literally(app: Flask, root: Person, ada: Person) -> None:
    for person in (root, ada):
        visitor = Visitor(app, person)
        for text in HOSTILE:
            for path in ("/search", "/search/dialog"):
                answer = visitor.get(f"{path}?q={quote(text)}", htmx=True)
                assert answer.status_code == 200, text
                assert "<script>" not in answer.text.replace("<script src=", "")
        assert visitor.get("/search?q=%00").status_code == 400
        assert hits(visitor.get("/search?q=%25").text) == []


def test_nothing_found_says_so(client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)

    assert "Nothing matches “xqzvw”" in client.get("/search?q=xqzvw").text
    assert "No results." in client.get("/search/dialog?q=xqzvw", headers=HTMX).text


def test_the_dialog_is_a_page_without_htmx(client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)

    assert "<dialog" in client.get("/search/dialog", headers=HTMX).text
    assert "<h1>Search</h1>" in client.get("/search/dialog").text
    assert 'role="option"' not in client.get("/search/dialog?q=people").text


def test_every_shortcut_is_unique_and_listed(app: Flask, root: Person) -> None:
    links = found.of(app)
    keys = Counter(link.key for link in links if link.key)
    page = Visitor(app, root).get("/shortcuts").text

    assert {key: many for key, many in keys.items() if many > 1 or len(key) != 1} == {}
    assert {"p", "o", "t", "a"} <= set(keys)
    assert '<a href="/users/" data-key="p">People</a>' in page


def test_single_keys_can_be_turned_off_and_on_in_this_browser(client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)
    assert "Search<kbd>/</kbd>" in client.get("/account/").text

    off = client.send("/shortcuts", {"turn": "off"})
    assert off.headers["Location"] == "/shortcuts"
    shown = client.get("/shortcuts").text
    assert "data-key" not in shown
    assert 'data-find="ctrl"' in shown

    client.send("/shortcuts", {"turn": "on"})
    assert "Search<kbd>/</kbd>" in client.get("/account/").text
