"""Is a mailed link good for one use, by one person, for a while, and for nothing else?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import command, db
from portal.core.errors import Conflict
from portal.users import links
from portal.users.links import HANDED, INVITATION, RESET, VERIFICATION, DeadLink
from portal.users.models import User
from portal.web.given import current_settings
from tests.acting import acting, at_once
from tests.cast import Builder, Person, Tenant

ALL = tuple(links.HOLDS)


def token_for(app: Flask, person: Person, purpose: str) -> str:
    with acting(app):
        found = links.person(person.id)
        assert found is not None
        return links.address(found, purpose).rsplit("/", 1)[1]


def is_alive(app: Flask, token: str, purpose: str) -> bool:
    with acting(app):
        try:
            return links.read(token, (purpose,))[0] == purpose
        except DeadLink:
            return False


@command
def change(person: Person, **values: Any) -> None:
    db.session.execute(update(User).where(User.id == person.id).values(**values))


@command
def use(token: str, purpose: str) -> str:
    return links.redeem(token, (purpose,))[0]


@pytest.fixture
def guest(build: Builder, acme: Tenant) -> Person:
    return build.person("guest@example.com", tenant=acme, invited_at=now())


@pytest.mark.parametrize("purpose", ALL)
def test_au10_a_link_works_once(app: Flask, guest: Person, purpose: str) -> None:
    token = token_for(app, guest, purpose)
    assert is_alive(app, token, purpose)

    with acting(app):
        assert use(token, purpose) == purpose
        with pytest.raises(DeadLink):
            use(token, purpose)
    assert not is_alive(app, token, purpose)


@pytest.mark.parametrize("purpose", ALL)
def test_au10_of_two_uses_at_once_one_succeeds(fresh_app: Flask, purpose: str) -> None:
    guest = Builder(fresh_app).person("guest@example.com", invited_at=now())
    for _ in range(5):
        token = token_for(fresh_app, guest, purpose)

        results = at_once(fresh_app, [lambda token=token: use(token, purpose)] * 6)  # type: ignore[misc]

        assert results.count(purpose) == 1
        assert sum(isinstance(one, DeadLink) for one in results) == 5


CHANGES: dict[str, dict[str, Any]] = {
    "password": {"password": "$2b$04$something-else"},
    "no password": {"password": None},
    "email": {"email": "other@example.com"},
    "new email": {"pending_email": "other@example.com"},
    "another link used": {"link_counter": 1},
    "deactivated": {"is_active": False},
    "deleted": {"deleted_at": now()},
}


@pytest.mark.parametrize("purpose", ALL)
@pytest.mark.parametrize("what", CHANGES)
def test_au10_a_link_is_dead_once_something_changed(app: Flask, guest: Person, purpose: str, what: str) -> None:
    token = token_for(app, guest, purpose)
    with acting(app):
        change(guest, **CHANGES[what])

    assert not is_alive(app, token, purpose)


@pytest.mark.parametrize("purpose", ALL)
@pytest.mark.parametrize("column", ["email", "pending_email", "password", "role", "organization_id"])
def test_au10_a_link_stays_dead_when_the_change_is_taken_back(
    app: Flask, guest: Person, build: Builder, birch: Tenant, purpose: str, column: str
) -> None:
    token = token_for(app, guest, purpose)
    other = {"role": Role.ADMIN, "organization_id": birch.id}.get(column, "other@example.com")
    with acting(app):
        former = db.session.execute(select(getattr(User, column)).where(User.id == guest.id)).scalar_one()
        change(guest, **{column: other})
        change(guest, **{column: former})

    assert not is_alive(app, token, purpose)


@pytest.mark.parametrize("purpose", [INVITATION, HANDED])
@pytest.mark.parametrize("column", ["accepted_at", "revoked_at"])
def test_an_invitation_that_was_accepted_or_revoked_is_dead(
    app: Flask, guest: Person, purpose: str, column: str
) -> None:
    token = token_for(app, guest, purpose)
    with acting(app):
        change(guest, **{column: now()})

    assert not is_alive(app, token, purpose)
    assert is_alive(app, token_for(app, guest, RESET), RESET)


@pytest.mark.parametrize(
    ("purpose", "holds"),
    [
        (INVITATION, timedelta(days=7)),
        (HANDED, timedelta(days=7)),
        (RESET, timedelta(minutes=15)),
        (VERIFICATION, timedelta(hours=24)),
    ],
)
def test_au10_a_link_lives_as_long_as_it_says(
    app: Flask, build: Builder, guest: Person, monkeypatch: pytest.MonkeyPatch, purpose: str, holds: timedelta
) -> None:
    with acting(app):
        change(guest, invited_at=now() + timedelta(days=1))  # of which another test speaks
    token = token_for(app, guest, purpose)
    at = now()

    for elapsed, alive in ((holds - timedelta(seconds=5), True), (holds + timedelta(seconds=5), False)):
        monkeypatch.setattr(links, "now", lambda elapsed=elapsed: at + elapsed)
        assert is_alive(app, token, purpose) is alive


def test_au10_no_character_of_a_link_can_be_changed(app: Flask, guest: Person) -> None:
    token = token_for(app, guest, RESET)
    assert is_alive(app, token, RESET)

    for place, character in enumerate(token[:-1]):  # the last holds bits that mean nothing
        for other in ("A", "b", ".", "-"):
            if other != character:
                tampered = token[:place] + other + token[place + 1 :]
                assert not is_alive(app, tampered, RESET), place


def test_au10_a_link_opens_nothing_that_it_is_not_for(app: Flask, guest: Person) -> None:
    for purpose in ALL:
        token = token_for(app, guest, purpose)
        assert [other for other in ALL if is_alive(app, token, other)] == [purpose]


def test_links_outlive_a_change_of_the_key_that_is_announced(app: Flask, guest: Person) -> None:
    token, settings = token_for(app, guest, RESET), current_settings.of(app)
    try:
        current_settings.set(app, replace(settings, secret_key="another-key" * 4))
        assert not is_alive(app, token, RESET)
        current_settings.set(
            app, replace(settings, secret_key="another-key" * 4, secret_key_fallbacks=(settings.secret_key,))
        )
        assert is_alive(app, token, RESET)
        assert is_alive(app, token_for(app, guest, RESET), RESET)
    finally:
        current_settings.set(app, settings)


def test_a_link_holds_neither_address_nor_hash(app: Flask, guest: Person) -> None:
    with acting(app):
        payload = str(links._signer().loads(token_for(app, guest, RESET)))

    assert guest.email not in payload
    assert "$2" not in payload


@pytest.mark.parametrize(
    ("settings", "start"),
    [
        ({"public_url": "https://portal.example.com"}, "https://portal.example.com/verify/"),
        ({"public_url": "https://example.com/portal"}, "https://example.com/portal/verify/"),
        ({}, "http://127.0.0.1:8000/verify/"),
    ],
)
def test_links_lead_to_the_public_address(
    app: Flask, guest: Person, settings: dict[str, Any], start: str, at_settings: Callable[..., None]
) -> None:
    at_settings(**settings)
    with acting(app):
        found = links.person(guest.id)
        assert found is not None
        assert links.address(found, VERIFICATION).startswith(start)


def test_production_makes_no_link_without_its_public_address(
    app: Flask, guest: Person, at_settings: Callable[..., None]
) -> None:
    at_settings(production=True)
    with acting(app):
        found = links.person(guest.id)
        assert found is not None
        with pytest.raises(Conflict, match="PORTAL_URL is not set"):
            links.address(found, VERIFICATION)
