"""Deleting an organization shows what that means in numbers, and restoring it brings back exactly that."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from portal.api.commands import refresh
from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import command, db
from portal.jobs.models import Job
from portal.organizations.commands import organizations
from portal.organizations.models import Organization
from portal.teams.commands import teams
from portal.teams.models import Team, TeamMember
from portal.tokens.commands import Lifetime, open_session
from portal.tokens.models import ApiToken
from portal.tokens.rotation import Opened, open_client_session
from portal.users.commands import users
from portal.users.models import User
from portal.web.attempts import of_own_password
from tests.acting import acting, age_authentication
from tests.cast import PASSWORD, Builder, Person, SignIn, Tenant
from tests.pages import HTMX, PageClient, fields_of, text_of

WEEK = Lifetime(timedelta(days=7), timedelta(days=7))
CHANGED = "This has changed since it was shown."


@command
def add_token(person: Person, *, revoked: bool = False) -> uuid.UUID:
    key, at = uuid.uuid4(), now()
    values = {"name": "Backup", "beginning": "pt_", "scopes": ["profile"], "expires_at": at + timedelta(days=9)}
    owner = {"user_id": person.id, "organization_id": person.organization_id}
    db.session.add(ApiToken(id=key, token=key.hex, revoked_at=at if revoked else None, **owner, **values))
    return key


@command
def add_job(person: Person, state: str) -> None:
    owner = {"organization_id": person.organization_id, "owner_id": person.id}
    db.session.add(Job(kind="count", title="Counting", state=state, **owner))


@command
def add_team(tenant: Tenant, name: str, *members: Person) -> uuid.UUID:
    key = uuid.uuid4()
    db.session.add(Team(id=key, name=name, organization_id=tenant.id))
    db.session.flush()
    db.session.add_all([TeamMember(team_id=key, user_id=one.id, organization_id=tenant.id) for one in members])
    return key


@pytest.fixture
def busy(app: Flask, build: Builder, acme: Tenant, birch: Tenant, ada: Person, uma: Person, gil: Person) -> Tenant:
    """Acme, with some of everything; Birch has none of it."""
    for number in range(2):
        build.person(f"invited{number}@example.com", tenant=acme, invited_at=now())
    build.person("late@example.com", tenant=acme, invited_at=now() - timedelta(days=8))
    build.person("off@example.com", tenant=acme, is_active=False)
    with acting(app):
        for person in (ada, uma, uma):
            open_session(person.id, acme.id, lifetime=WEEK)
        open_client_session(uma.id, acme.id, lifetime=WEEK)
        add_token(uma)
        add_token(uma, revoked=True)
        for state in ("running", "done"):
            add_job(ada, state)
        for name in ("Drivers", "Loaders"):
            add_team(acme, name, uma)
    return acme


def is_deleted(build: Builder, tenant: Tenant) -> bool:
    return build.read(Organization, tenant.id).deleted_at is not None


def test_the_question_counts_everything_that_the_deletion_affects(
    client: PageClient, sign_in: SignIn, root: Person, busy: Tenant, birch: Tenant
) -> None:
    sign_in(root)

    for kwargs in ({}, {"headers": HTMX}):
        shown = text_of(client.get(f"/organizations/{busy.id}/delete", **kwargs).text)
        for sentence in (
            "2 people lose access at once, 1 of them as administrator.",
            "2 invitations stop working.",
            "4 sessions stop working.",
            "1 API token stops working.",
            "2 teams are kept.",
            "1 unfinished job stops.",
            "Whatever was deleted before stays deleted.",
        ):
            assert sentence in shown, sentence
        empty = text_of(client.get(f"/organizations/{birch.id}/delete", **kwargs).text)
        assert "It has no people who can sign in. Restoring the organization" in empty


@pytest.mark.parametrize("kwargs", [{}, {"headers": HTMX}], ids=["plain", "htmx"])
def test_a_deletion_whose_consequences_changed_meanwhile_is_shown_again(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, busy: Tenant, kwargs: dict[str, object]
) -> None:
    sign_in(root)
    path = f"/organizations/{busy.id}/delete"
    question = client.get(path)
    assert CHANGED not in question.text
    build.person("newcomer@example.com", role=Role.ADMIN, tenant=busy)

    again = client.post(path, data=fields_of(question.text, path), **kwargs)

    assert again.status_code == 200
    assert CHANGED in again.text
    assert "3 people lose access at once, 2 of them as administrators." in text_of(again.text)
    assert not is_deleted(build, busy)
    assert client.post(path, data=fields_of(again.text, path)).status_code == 303
    assert is_deleted(build, busy)


def test_a_sign_in_does_not_ask_again_because_people_sign_in_all_the_time(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, root: Person, busy: Tenant, uma: Person
) -> None:
    sign_in(root)
    path = f"/organizations/{busy.id}/delete"
    fields = client.form(path)
    with acting(app):
        open_session(uma.id, busy.id, lifetime=WEEK)

    assert client.post(path, data=fields).status_code == 303
    assert is_deleted(build, busy)


@pytest.mark.parametrize("sent", ["", "yes", "é", "\ud800".encode("utf-8", "surrogatepass").hex(), "of another"])
def test_nothing_is_deleted_without_a_confirmation_of_exactly_this(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, acme: Tenant, birch: Tenant, sent: str
) -> None:
    sign_in(root)
    other = client.form(f"/organizations/{birch.id}/delete")
    path = f"/organizations/{acme.id}/delete"
    values = other if sent == "of another" else {**other, "confirmed": sent}

    assert client.post(path, data=values).status_code == 200
    assert not is_deleted(build, acme)


def test_deleting_asks_for_the_password_once_the_consequences_are_confirmed(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, root: Person, acme: Tenant
) -> None:
    sign_in(root)
    path = f"/organizations/{acme.id}/delete"
    with acting(app):
        age_authentication(root)

    asked = client.confirm(client.get(path))
    wrong = client.post(path, data={**fields_of(asked.text, path), "own_password": "not this one"})

    assert (asked.status_code, wrong.status_code) == (200, 422)
    assert "Confirm it’s you" in asked.text
    assert not is_deleted(build, acme)
    assert client.post(path, data={**fields_of(wrong.text, path), "own_password": PASSWORD}).status_code == 303
    assert is_deleted(build, acme)


@pytest.mark.parametrize("how", ["restore", "undo"])
def test_restoring_brings_back_exactly_what_the_deletion_took_away(
    app: Flask, build: Builder, root: Person, busy: Tenant, uma: Person, gil: Person, how: str
) -> None:
    later = build.person("later@example.com", tenant=busy)
    with acting(app, root):
        gone, afterwards = add_team(busy, "Gone"), add_team(busy, "Afterwards")
        teams.delete(gone)
        opened = open_client_session(uma.id, busy.id, lifetime=WEEK)
        tokens = set(db.session.scalars(select(ApiToken.id).where(ApiToken.revoked_at.is_(None))))
        deleted = organizations.delete(busy.id)
        users.delete(later.id)
        teams.delete(afterwards)
        counter = of_own_password(uma.id)
        assert not isinstance(refresh(opened.token, grace=timedelta(0), counter=counter), Opened)

        if how == "restore":
            organizations.restore(busy.id)
        else:
            organizations.undo(busy.id, deleted.version)

        assert set(db.session.scalars(select(ApiToken.id).where(ApiToken.revoked_at.is_(None)))) == tokens
        assert isinstance(refresh(opened.token, grace=timedelta(0), counter=counter), Opened)
        assert db.session.scalar(select(TeamMember.user_id).limit(1)) == uma.id
    for model, keys in {User: (gil.id, later.id), Team: (gone, afterwards)}.items():
        assert all(build.read(model, key).deleted_at is not None for key in keys)
    assert build.read(User, uma.id).deleted_at is None


def test_a_person_who_was_deleted_before_can_be_restored_after_the_organization_only(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, busy: Tenant, gil: Person
) -> None:
    sign_in(root)
    client.send(f"/organizations/{busy.id}/delete")
    refused = client.send(f"/users/{gil.id}/restore", at=f"/users/{gil.id}")

    assert refused.status_code == 303
    assert build.read(User, gil.id).deleted_at is not None
    client.send(f"/organizations/{busy.id}/restore", at=f"/organizations/{busy.id}")
    assert build.read(User, gil.id).deleted_at is not None
    client.send(f"/users/{gil.id}/restore", at=f"/users/{gil.id}")
    assert build.read(User, gil.id).deleted_at is None
