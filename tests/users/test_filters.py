"""The filters of the list of people, over HTTP."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

import pytest
from flask import Flask
from markupsafe import escape

from portal.core.clock import now
from portal.teams.models import Team
from tests.acting import acting
from tests.cast import Builder, Person, SignIn, Tenant
from tests.pages import HTMX, PageClient, names_in, without_varying
from tests.selecting import add


def shown(page: str) -> set[str]:
    return set(names_in(page))


@pytest.mark.parametrize("entered", ["Acme", "acme", "KEY"])
def test_a_super_admin_picks_organizations_by_name_slug_or_key(
    client: PageClient, sign_in: SignIn, root: Person, ada: Person, bea: Person, acme: Tenant, birch: Tenant,
    entered: str,
) -> None:  # fmt: skip
    sign_in(root)
    entered = acme.name if entered == "Acme" else acme.slug if entered == "acme" else str(acme.id)

    page = client.get("/users/", query_string={"organization": entered}).text

    assert shown(page) == {ada.name}
    assert f"organization={acme.id}" in page
    assert f'<span class="visually-hidden">Remove the filter: </span>{acme.name}' in page
    both = client.get("/users/", query_string={"organization": [str(birch.id), entered]}).text
    assert shown(both) == {ada.name, bea.name}
    assert f"organization={birch.id},{acme.id}" in both


def test_an_unknown_or_ambiguous_organization_finds_nobody_and_says_so(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, ada: Person
) -> None:
    build.tenant("Same Name", slug="one"), build.tenant("Same Name", slug="two")
    sign_in(root)

    for entered in ("no such organization", "Same Name", "%", "<b>"):
        for headers in ({}, HTMX):
            page = client.get("/users/", query_string={"organization": entered}, headers=headers).text
            assert "Choose one of the suggestions." in page, entered
            assert shown(page) == set()


@pytest.mark.parametrize("is_repeated", [True, False])
def test_several_organizations_are_picked_by_name_whatever_they_are_called(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, ada: Person, acme: Tenant, *, is_repeated: bool
) -> None:
    odd = build.tenant('Birch, <b> & "Sons", Inc.', slug="odd")
    bea = build.person("bea@example.com", tenant=odd)
    sign_in(root)
    entered = [odd.name, acme.name]

    asked = {"organization": entered if is_repeated else ", ".join(entered)}
    for path in ("/users/", "/users/filters"):
        page = client.get(path, query_string=asked).text
        assert str(escape(odd.name)) in page
        assert odd.name not in page
        assert f"{odd.id},{acme.id}" in page or path != "/users/"
    assert shown(client.get("/users/", query_string=asked).text) == {ada.name, bea.name}


def test_an_admin_cannot_find_out_about_a_team_elsewhere_by_naming_it_beside_their_own(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, acme: Tenant, birch: Tenant
) -> None:
    with acting(app):
        for tenant, name in ((acme, "Drivers"), (birch, "Pilots")):
            add(Team(id=uuid.uuid4(), name=name, organization_id=tenant.id))
    sign_in(ada)

    for path in ("/users/", "/users/filters"):
        for entered in ("Drivers, {}", "{}, Drivers", "{}, {}"):
            existing, unknown = (
                client.get(path, query_string={"team": entered.format(*[name] * 2)}).text.replace(name, "...")
                for name in ("Pilots", "Sailor")
            )
            assert without_varying(existing)[0] == without_varying(unknown)[0]
            assert re.search(r'id="team-error"[^>]*>No team matches this name.<', existing)


def test_an_admin_has_no_picker_and_sees_nobody_elsewhere(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, bea: Person, birch: Tenant
) -> None:
    sign_in(ada)

    assert 'name="organization"' not in client.get("/users/").text + client.get("/users/filters").text
    for value in (str(birch.id), birch.name, f"{birch.id},{ada.organization_id}"):
        assert bea.name not in client.get("/users/", query_string={"organization": value}).text
    assert birch.name not in client.get("/users/", query_string={"organization": str(birch.id)}).text


def test_all_filters_are_set_on_one_page_and_survive_sorting_paging_and_downloads(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person, uma: Person
) -> None:
    build.person("admin2@example.com", tenant=acme, role=ada.role, email_verified=False)
    sign_in(ada)
    form = client.get("/users/filters?q=a&sort=name&role=ADMIN&created_from=2020-01-01")

    assert form.status_code == 200
    for field in (
        '<input type="hidden" name="sort" value="name">', '<input type="hidden" name="q" value="a">',
        'name="role" value="ADMIN" checked', 'name="role" value="USER">', 'name="created_from" value="2020-01-01"',
        'name="invitation" value="never"', 'name="changed_until"', 'name="last_sign_in_from"',
    ):  # fmt: skip
        assert field in form.text, field
    page = client.get("/users/?role=ADMIN&role=USER&created_from=2020-01-01&created_until=2999-01-01&q=&verified=").text
    chosen = "role=ADMIN,USER&amp;created_from=2020-01-01&amp;created_until=2999-01-01"
    assert {ada.name, uma.name} <= shown(page)
    for link in (f'href="/users/?{chosen}&amp;sort=name"', f'href="/users/export?{chosen}&amp;format=csv"'):
        assert link in page, link
    for chip in ("Role: Admin", "Role: User", "Created since 1 Jan 2020", "Created until 1 Jan 2999"):
        assert chip in page
    assert 'href="/users/?role=USER&amp;created_from=2020-01-01&amp;created_until=2999-01-01"' in page
    rows = client.get("/users/export?role=ADMIN&role=USER&created_until=2000-01-01").text
    assert rows.count("\n") == 1


def test_invitations_that_were_never_accepted_are_found_in_their_tab_and_among_the_deactivated(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person
) -> None:
    long_ago = now() - timedelta(days=30)
    fresh = build.person("fresh@example.com", tenant=acme, invited_at=now())
    stale = build.person("stale@example.com", tenant=acme, invited_at=long_ago)
    closed = build.person("closed@example.com", tenant=acme, invited_at=long_ago, is_active=False)
    build.person("former@example.com", tenant=acme, is_active=False)
    sign_in(ada)

    assert shown(client.get("/users/?invitation=never").text) == {fresh.name, stale.name}
    assert shown(client.get("/users/?invitation=pending&invitation=expired").text) == {fresh.name, stale.name}
    assert shown(client.get("/users/?invitation=expired").text) == {stale.name}
    page = client.get("/users/?invitation=never&status=deactivated").text
    assert shown(page) == {closed.name}
    assert "Invitation never accepted" in page
    assert re.search(r'aria-current="true">All <span>', client.get("/users/?invitation=never").text)
