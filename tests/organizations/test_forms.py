"""What may be typed about an organization?"""

from __future__ import annotations

import pytest
from flask import Flask

from portal.core.actor import Actor, Role
from portal.core.db import acting_as
from portal.organizations.forms import OrganizationForm
from tests.cast import Person


def errors_of(app: Flask, person: Person, sent: dict[str, str]) -> dict[str, list[str]]:
    actor = Actor(person.id, person.role, person.organization_id)
    with app.test_request_context(method="POST", data=sent), acting_as(actor):
        form = OrganizationForm(meta={"csrf": False})
        form.validate()
        return {name: list(messages) for name, messages in form.errors.items()}


@pytest.mark.parametrize("slug", ["a", "acme", "acme-logistics", "a1-b2-c3", "2000", "x" * 63])
def test_a_short_name_is_small_letters_digits_and_hyphens(app: Flask, root: Person, slug: str) -> None:
    assert errors_of(app, root, {"name": "Acme", "slug": slug}) == {}


@pytest.mark.parametrize("slug", ["-a", "a-", "a--b", "A", "a b", "ä", "a_b", "a.b", "a/b", "../a", "x" * 64, "٣"])
def test_any_other_is_refused_beside_its_field(app: Flask, root: Person, slug: str) -> None:
    assert list(errors_of(app, root, {"name": "Acme", "slug": slug})) == ["slug"]


@pytest.mark.parametrize("slug", ["a\n", "a\u200bb", "\ufeffab", " ab "])
def test_a_short_name_is_read_without_what_nobody_can_see(app: Flask, root: Person, slug: str) -> None:
    assert errors_of(app, root, {"name": "Acme", "slug": slug}) == {}


@pytest.mark.parametrize("name", ["", "   ", "\u3164", "\u200d\u2800", "x" * 121, "a\x1bb", "a\uffffb"])
def test_a_name_is_needed_and_bounded(app: Flask, root: Person, name: str) -> None:
    assert "name" in errors_of(app, root, {"name": name, "slug": "acme"})


def test_an_admin_writes_the_name_alone(app: Flask, ada: Person) -> None:
    assert ada.role is Role.ADMIN
    assert errors_of(app, ada, {"name": "Acme", "slug": "NOT READ"}) == {}
