"""Inviting many people by their addresses, with a role and a team."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import db
from portal.teams.models import Team, TeamMember
from tests.acting import acting
from tests.cast import Builder, Person, Tenant, page_client
from tests.imports.test_views import found, reasons, start, verdicts
from tests.mailbox import jobs as emails
from tests.pages import HTMX, PageClient, fields_of, text_of, without_varying
from tests.selecting import add

PAGE = "/imports/invite"
TWO = "Ada Byron <byron@example.com>; alan@example.com"


@pytest.fixture
def ours(app: Flask, ada: Person) -> PageClient:
    """A browser in which the ADMIN of Acme is signed in."""
    return page_client(app, ada)


@pytest.fixture
def drivers(app: Flask, acme: Tenant, birch: Tenant) -> dict[str, uuid.UUID]:
    """Teams of Acme and Birch with the same name, and another one of Birch."""
    teams = {"acme": (acme, "Drivers"), "birch": (birch, "Drivers"), "other": (birch, "Pilots")}
    keys = {name: uuid.uuid4() for name in teams}
    with acting(app):
        add(*(Team(id=keys[name], name=called, organization_id=where.id) for name, (where, called) in teams.items()))
    return keys


def invite(client: PageClient, addresses: str = TWO, **values: Any) -> uuid.UUID:
    response = client.send(PAGE, {"addresses": addresses, **values})
    assert response.status_code == 303, text_of(response.text)
    return uuid.UUID(response.location.split("/")[-2])


def refusal(client: PageClient, **values: Any) -> str:
    """The page that refuses an entry and keeps what was entered."""
    response = client.send(PAGE, {"addresses": TWO, **values})
    assert response.status_code == 422
    assert fields_of(response.text, PAGE)["addresses"].strip() == values.get("addresses", TWO).strip()
    return text_of(response.text)


def test_addresses_are_previewed_then_invited(
    app: Flask, ours: PageClient, ada: Person, uma: Person, bea: Person, drivers: dict[str, uuid.UUID]
) -> None:
    assert f'href="{PAGE}"' in ours.get("/users/").text
    addresses = f'{TWO}\r\n"Lee, Ann" <ann@example.com>, {uma.email}, {bea.email}, nobody, alan@EXAMPLE.com'

    import_id = invite(ours, addresses, role="ADMIN", team="drivers")

    page = ours.get(f"/imports/{import_id}/")
    preview = text_of(page.text)
    assert verdicts(app, import_id) == {"create": 3, "unchanged": 1, "refused": 3}
    assert "7 addresses. Invited people get the role Admin and join Drivers." in preview
    assert re.search(r"Will be invited\s*3\s*Has an account\s*1\s*Refused\s*3", preview)
    assert "Send 3 invitations" in preview
    assert "Columns" not in preview
    assert (found(app, "alan@example.com"), emails(app)) == (None, [])
    start(app, ours, import_id)

    people = [found(app, f"{name}@example.com") for name in ("byron", "alan", "ann")]
    assert [(one.role, one.organization_id) for one in people] == [(Role.ADMIN, ada.organization_id)] * 3
    assert [(one.first_name, one.last_name) for one in people] == [("Ada", "Byron"), (None, None), ("Ann", "Lee")]
    assert {key for _, key in emails(app)} == {one.id for one in people}
    with acting(app):
        members = db.session.scalars(select(TeamMember.user_id).where(TeamMember.team_id == drivers["acme"])).all()
    assert set(members) == {one.id for one in people}
    assert re.search(r"Invited\s*3", text_of(ours.get(f"/imports/{import_id}/").text))
    jobs = text_of(ours.get("/jobs/").text)
    assert ("Invitations" in jobs, "Import of" in jobs) == (True, False)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"addresses": " \n"}, "Enter at least one email address."),
        ({"addresses": ",;, ;"}, "Enter at least one email address."),
        ({"addresses": "x" * 6_000 + "@example.com"}, "more than 5,000 characters"),
        ({"role": "SUPER_ADMIN"}, "Not a valid choice"),
        ({"role": "<script>"}, "Not a valid choice"),
        ({"team": "Nobody's team"}, "No team matches this entry."),
        ({"team": "Pilots"}, "No team matches this entry."),  # of another organization
        ({"team": "%"}, "No team matches this entry."),
    ],
)
def test_a_wrong_entry_is_named_at_its_field_and_nothing_is_lost(
    ours: PageClient, drivers: dict[str, uuid.UUID], values: dict[str, str], error: str
) -> None:
    assert error in refusal(ours, **values)


def test_admins_cannot_invite_into_other_organizations(
    app: Flask, ours: PageClient, ada: Person, bea: Person, birch: Tenant, drivers: dict[str, uuid.UUID]
) -> None:
    named, unknown = (
        without_varying(ours.get(f"{PAGE}?organization={slug}").text.replace(slug, "..."))[0]
        for slug in (birch.slug, "nowhere")
    )
    assert named == unknown

    assert "No team matches this entry." in refusal(ours, team=str(drivers["other"]))
    import_id = invite(ours, organization_id=birch.slug, home_id=str(birch.id), team_id=str(drivers["other"]))
    start(app, ours, import_id)
    assert found(app, "alan@example.com").organization_id == ada.organization_id

    theirs = page_client(app, bea)
    again = f"{PAGE}?again={import_id}"
    assert "byron@example.com" in ours.get(again).text
    assert "byron@example.com" not in theirs.get(again).text
    assert ours.get(f"{PAGE}?again=nonsense").status_code == 200


def test_entered_addresses_can_be_changed(ours: PageClient, drivers: dict[str, uuid.UUID]) -> None:
    import_id = invite(ours, role="ADMIN", team="Drivers")

    fields = ours.form(f"{PAGE}?again={import_id}")

    assert {name: fields[name].strip() for name in ("addresses", "role", "team")} == {
        "addresses": TWO, "role": "ADMIN", "team": "Drivers",
    }  # fmt: skip


def test_super_admins_choose_the_organization_or_it_follows_from_the_team(
    app: Flask, root: Person, acme: Tenant, birch: Tenant, drivers: dict[str, uuid.UUID]
) -> None:
    roots = page_client(app, root)
    assert "Several teams have this name. Enter the organization, too." in refusal(roots, team="Drivers")
    assert "No team matches" in refusal(roots, team="Pilots", organization_id=acme.slug)
    assert "No such organization" in refusal(roots, organization_id="nowhere")

    for values, home in (
        ({"organization_id": birch.slug, "team": "Drivers"}, birch.id),
        ({"team": "Pilots"}, birch.id),
        ({"organization_id": acme.slug}, acme.id),
        ({"role": "SUPER_ADMIN"}, None),
    ):
        import_id = invite(roots, f"{uuid.uuid4()}@example.com", **values)
        assert start(app, roots, import_id).state == "done"
        with acting(app):
            key = next(key for kind, key in reversed(emails(app)) if kind == "invitation")
        assert Builder(app).read(type(found(app, root.email)), key).organization_id == home


def test_a_team_of_a_deleted_organization_is_refused(app: Flask, build: Builder, root: Person) -> None:
    gone = build.tenant("Gone", deleted_at=now())
    with acting(app):
        add(Team(id=uuid.uuid4(), name="Lost", organization_id=gone.id))

    assert "This team's organization was deleted." in refusal(page_client(app, root), team="Lost")


def test_users_cannot_invite(app: Flask, uma: Person, ours: PageClient) -> None:
    client = page_client(app, uma)
    assert client.get(PAGE).status_code == 403
    token = client.form("/account/")["csrf_token"]
    for headers in ({}, HTMX):
        sent = {"csrf_token": token, "addresses": TWO}
        assert client.post(PAGE, data=sent, headers=headers).status_code == 403
    assert reasons(app, invite(ours)) == []
