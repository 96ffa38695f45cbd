"""Which people does a query mean?"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from flask import Flask

from portal.core.actor import SYSTEM, Actor, Role
from portal.core.clock import now
from portal.core.db import acting_as, db
from portal.users import queries
from tests.cast import Builder, Person, Tenant


def emails(app: Flask, actor: Actor, arguments: Mapping[str, str]) -> list[str]:
    with app.app_context(), acting_as(actor):
        return sorted(row.email for row in queries.listing(arguments, "/users/").page().rows)


def actor_of(person: Person) -> Actor:
    return Actor(person.id, person.role, person.organization_id)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({}, ["ada@example.com", "uma@example.com"]),
        ({"role": "ADMIN"}, ["ada@example.com"]),
        ({"role": "NOBODY"}, ["ada@example.com", "uma@example.com"]),
        ({"verified": "no", "role": "USER"}, ["uma@example.com"]),
        ({"verified": "yes"}, []),
        ({"created_from": "2999-01-01"}, []),
        ({"created_from": "yesterday"}, ["ada@example.com", "uma@example.com"]),
        ({"organization": "nonsense"}, []),
        ({"q": "um"}, ["uma@example.com"]),
        ({"q": "ma"}, []),
        ({"status": "deleted"}, ["gil@example.com"]),
        ({"status": "deactivated"}, ["off@example.com"]),
        ({"status": "organization-deleted"}, ["ada@example.com", "uma@example.com"]),
    ],
)
def test_a_list_is_narrowed_by_what_its_address_says(
    app: Flask,
    build: Builder,
    acme: Tenant,
    ada: Person,
    uma: Person,
    bea: Person,
    gil: Person,
    arguments: dict[str, str],
    found: list[str],
) -> None:
    build.person("off@example.com", tenant=acme, is_active=False)

    listed = emails(app, actor_of(ada), arguments)

    assert listed == found


def test_a_super_admin_sees_people_of_deleted_organizations_in_a_view(app: Flask, build: Builder, root: Person) -> None:
    closed = build.tenant("Closed", deleted_at=now())
    lost = build.person("lost@example.com", tenant=closed)

    assert emails(app, actor_of(root), {"status": "organization-deleted"}) == [lost.email]


def test_an_address_is_found_without_case_and_among_the_living(app: Flask, uma: Person, gil: Person) -> None:
    with app.app_context(), acting_as(SYSTEM):
        found = db.session.scalar(queries.by_email("UMA@Example.com"))
        gone = db.session.scalar(queries.by_email(gil.email))
        again = db.session.scalar(queries.deleted_by_email(gil.email), execution_options={"with_deleted": True})

    assert found is not None
    assert (found.id, gone) == (uma.id, None)
    assert again is not None
    assert again.id == gil.id


def test_super_admins_who_can_sign_in_are_counted_without_those_who_cannot(
    app: Flask, build: Builder, root: Person
) -> None:
    closed = build.tenant("Closed", deleted_at=now())
    build.person("locked@example.com", role=Role.SUPER_ADMIN, tenant=closed)
    build.person("off@example.com", role=Role.SUPER_ADMIN, is_active=False)
    build.person("gone@example.com", role=Role.SUPER_ADMIN, deleted_at=now())

    with app.app_context(), acting_as(SYSTEM):
        assert db.session.scalars(queries.active_super_admins()).all() == [root.id]


def test_names_of_deleted_people_are_known_and_of_foreign_ones_not(
    app: Flask, ada: Person, gil: Person, bea: Person
) -> None:
    with app.app_context(), acting_as(actor_of(ada)):
        assert queries.names_of([ada.id, gil.id, bea.id]) == {ada.id: ada.name, gil.id: gil.name}
