"""Queries for organizations."""

from __future__ import annotations

import pytest
from flask import Flask

from portal.core.actor import SYSTEM, Actor, Role
from portal.core.clock import now
from portal.core.db import acting_as, db
from portal.organizations import queries
from tests.cast import Builder, Person, Tenant


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({}, ["Acme", "Birch", "Çelik"]),
        ({"sort": "-name"}, ["Çelik", "Birch", "Acme"]),
        ({"q": "celik"}, ["Çelik"]),
        ({"q": "short"}, ["Çelik"]),
        ({"q": "a"}, ["Acme"]),
        ({"status": "deleted"}, ["Gone"]),
        ({"sort": "password"}, ["Acme", "Birch", "Çelik"]),
    ],
)
def test_a_list_is_filtered_and_sorted_by_its_url(
    app: Flask, build: Builder, acme: Tenant, birch: Tenant, arguments: dict[str, str], found: list[str]
) -> None:
    build.tenant("Çelik", slug="short-name")
    build.tenant("Gone", deleted_at=now())

    with app.app_context(), acting_as(SYSTEM):
        listed = [row.name for row in queries.listing(arguments, "/organizations/").page().rows]

    assert listed == found


def test_an_admin_finds_only_their_own_organization(app: Flask, ada: Person, acme: Tenant, birch: Tenant) -> None:
    with app.app_context(), acting_as(Actor(ada.id, Role.ADMIN, acme.id)):
        assert db.session.scalar(queries.by_id(birch.id)) is None
        assert db.session.scalar(queries.by_slug(birch.slug)) is None
        assert [row.name for row in queries.listing({}, "/").page().rows] == ["Acme"]


def test_a_few_organizations_are_suggested_while_typing(app: Flask, build: Builder) -> None:
    for number in range(15):
        build.tenant(f"Office {number:02d}")

    with app.app_context(), acting_as(SYSTEM):
        names = [row.name for row in db.session.execute(queries.suggested("offi"))]

    assert names == [f"Office {number:02d}" for number in range(10)]
