"""Mailed links work once, for one person and one purpose, for a limited time."""

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
from tests.acting import acting, run_concurrently
from tests.cast import Builder, Person, Tenant

ALL = tuple(links.HOLDS)


def token_for(app: Flask, person: Person, purpose: str) -> str:
    with acting(app):
        row = links.person(person.id)
        assert row is not None
        return links.address(row, purpose).rsplit("/", 1)[1]


def is_valid(app: Flask, token: str, purpose: str) -> bool:
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


@pytest.mark.parametrize("purpose", ALL)
def test_au10_a_link_works_once(app: Flask, guest: Person, purpose: str) -> None:
    token = token_for(app, guest, purpose)
    assert is_valid(app, token, purpose)

    with acting(app):
        assert use(token, purpose) == purpose
        with pytest.raises(DeadLink):
            use(token, purpose)
    assert not is_valid(app, token, purpose)


@pytest.mark.parametrize("purpose", ALL)
def test_au10_two_concurrent_uses_of_a_link_have_one_winner(fresh_app: Flask, purpose: str) -> None:
    guest = Builder(fresh_app).person("guest@example.com", invited_at=now())
    for _ in range(5):
        token = token_for(fresh_app, guest, purpose)

        results = run_concurrently(fresh_app, [lambda token=token: use(token, purpose)] * 6)  # type: ignore[misc]

        assert results.count(purpose) == 1
        assert sum(isinstance(one, DeadLink) for one in results) == 5


CHANGES: dict[str, dict[str, Any]] = {
    "password": {"password": "$2b$04$something-else"},
    "no password": {"password": None},
    "email": {"email": "other@example.com"},
    "new email": {"pending_email": "other@example.com"},
    "another link used": {"link_counter": 1},
    "deactivated": {"is_active": False},
    "expired": {"expires_on": now().date() - timedelta(days=1)},
    "deleted": {"deleted_at": now()},
}


@pytest.mark.parametrize("purpose", ALL)
@pytest.mark.parametrize("what", CHANGES)
def test_au10_a_link_stops_working_after_a_change(app: Flask, guest: Person, purpose: str, what: str) -> None:
    token = token_for(app, guest, purpose)
    with acting(app):
        change(guest, **CHANGES[what])

    assert not is_valid(app, token, purpose)


@pytest.mark.parametrize("purpose", ALL)
@pytest.mark.parametrize("column", ["email", "pending_email", "password", "role", "organization_id"])
def test_au10_a_link_does_not_work_again_when_the_change_is_reverted(
    app: Flask, guest: Person, build: Builder, birch: Tenant, purpose: str, column: str
) -> None:
    token = token_for(app, guest, purpose)
    other = {"role": Role.ADMIN, "organization_id": birch.id}.get(column, "other@example.com")
    with acting(app):
        former = db.session.execute(select(getattr(User, column)).where(User.id == guest.id)).scalar_one()
        change(guest, **{column: other})
        change(guest, **{column: former})

    assert not is_valid(app, token, purpose)


@pytest.mark.parametrize("purpose", [INVITATION, HANDED])
@pytest.mark.parametrize("column", ["accepted_at", "revoked_at"])
def test_the_link_of_an_accepted_or_revoked_invitation_does_not_work(
    app: Flask, guest: Person, purpose: str, column: str
) -> None:
    token = token_for(app, guest, purpose)
    with acting(app):
        change(guest, **{column: now()})

    assert not is_valid(app, token, purpose)
    assert is_valid(app, token_for(app, guest, RESET), RESET)


@pytest.mark.parametrize(
    ("purpose", "lifetime"),
    [
        (INVITATION, timedelta(days=7)),
        (HANDED, timedelta(days=7)),
        (RESET, timedelta(minutes=15)),
        (VERIFICATION, timedelta(hours=24)),
    ],
)
def test_au10_a_link_works_for_its_documented_lifetime(
    app: Flask, build: Builder, guest: Person, monkeypatch: pytest.MonkeyPatch, purpose: str, lifetime: timedelta
) -> None:
    with acting(app):
        change(guest, invited_at=now() + timedelta(days=1))  # invitations that are too old are tested elsewhere
    token = token_for(app, guest, purpose)
    at = now()

    for elapsed, valid in ((lifetime - timedelta(minutes=1), True), (lifetime + timedelta(minutes=1), False)):
        monkeypatch.setattr(links, "now", lambda elapsed=elapsed: at + elapsed)
        assert is_valid(app, token, purpose) is valid


def test_au10_a_changed_character_makes_a_link_invalid(app: Flask, guest: Person) -> None:
    token = token_for(app, guest, RESET)
    assert is_valid(app, token, RESET)

    for position, character in enumerate(token[:-1]):  # the last one contains unused bits
        for other in ("A", "b", ".", "-"):
            if other != character:
                tampered = token[:position] + other + token[position + 1 :]
                assert not is_valid(app, tampered, RESET), position


def test_au10_a_link_works_for_its_own_purpose_only(app: Flask, guest: Person) -> None:
    for purpose in ALL:
        token = token_for(app, guest, purpose)
        assert [other for other in ALL if is_valid(app, token, other)] == [purpose]


def test_links_stay_valid_while_the_secret_key_is_rotated(app: Flask, guest: Person) -> None:
    token, settings = token_for(app, guest, RESET), current_settings.of(app)
    try:
        current_settings.set(app, replace(settings, secret_key="another-key" * 4))
        assert not is_valid(app, token, RESET)
        current_settings.set(
            app, replace(settings, secret_key="another-key" * 4, secret_key_fallbacks=(settings.secret_key,))
        )
        assert is_valid(app, token, RESET)
        assert is_valid(app, token_for(app, guest, RESET), RESET)
    finally:
        current_settings.set(app, settings)


def test_a_link_contains_neither_the_address_nor_the_hash(app: Flask, guest: Person) -> None:
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
def test_links_start_with_the_public_url(
    app: Flask, guest: Person, settings: dict[str, Any], start: str, change_settings: Callable[..., None]
) -> None:
    change_settings(**settings)
    with acting(app):
        row = links.person(guest.id)
        assert row is not None
        assert links.address(row, VERIFICATION).startswith(start)


def test_production_creates_no_links_without_a_public_url(
    app: Flask, guest: Person, change_settings: Callable[..., None]
) -> None:
    change_settings(production=True)
    with acting(app):
        row = links.person(guest.id)
        assert row is not None
        with pytest.raises(Conflict, match="PORTAL_URL is not set"):
            links.address(row, VERIFICATION)
