"""What the form accepts about an organization."""

from __future__ import annotations

import pytest
from flask import Flask

from portal.core.actor import Actor, Role
from portal.core.db import acting_as
from portal.organizations.forms import OrganizationForm
from portal.organizations.models import Organization
from tests.access.visitor import DONE, Visitor, outcome
from tests.cast import Builder, Person
from tests.pages import HTMX, fields_of


def errors_of(app: Flask, person: Person, sent: dict[str, str]) -> dict[str, list[str]]:
    actor = Actor(person.id, person.role, person.organization_id)
    with app.test_request_context(method="POST", data=sent), acting_as(actor):
        form = OrganizationForm(meta={"csrf": False})
        form.validate()
        return {name: list(messages) for name, messages in form.errors.items()}


@pytest.mark.parametrize("slug", ["a", "acme", "acme-logistics", "a1-b2-c3", "2000", "x" * 63])
def test_a_slug_consists_of_lowercase_letters_digits_and_hyphens(app: Flask, root: Person, slug: str) -> None:
    assert errors_of(app, root, {"name": "Acme", "slug": slug}) == {}


@pytest.mark.parametrize("slug", ["-a", "a-", "a--b", "A", "a b", "ä", "a_b", "a.b", "a/b", "../a", "x" * 64, "٣"])
def test_any_other_slug_is_refused(app: Flask, root: Person, slug: str) -> None:
    assert list(errors_of(app, root, {"name": "Acme", "slug": slug})) == ["slug"]


@pytest.mark.parametrize("slug", ["a\n", "a\u200bb", "\ufeffab", " ab "])
def test_invisible_characters_are_removed_from_a_slug(app: Flask, root: Person, slug: str) -> None:
    assert errors_of(app, root, {"name": "Acme", "slug": slug}) == {}


@pytest.mark.parametrize("name", ["", "   ", "\u3164", "\u200d\u2800", "x" * 121, "a\x1bb", "a\uffffb"])
def test_a_name_is_required_and_limited_in_length(app: Flask, root: Person, name: str) -> None:
    assert "name" in errors_of(app, root, {"name": name, "slug": "acme"})


def test_an_admin_can_only_change_the_name(app: Flask, ada: Person) -> None:
    assert ada.role is Role.ADMIN
    assert errors_of(app, ada, {"name": "Acme", "slug": "NOT READ"}) == {}


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_an_organization_with_an_invalid_stored_slug_can_be_renamed(
    app: Flask, root: Person, build: Builder, headers: dict[str, str]
) -> None:
    old = build.tenant("N" * 200, slug="Old_Style")
    visitor, path = Visitor(app, root), f"/organizations/{old.id}/edit"
    sent = fields_of(visitor.get(path).text)

    renamed = visitor.post(path, {**sent, "name": "New"}, headers=headers)
    refused = visitor.post(path, {**fields_of(visitor.get(path).text), "slug": "Old_Style2"}, headers=headers)

    row = build.read(Organization, old.id)
    assert (outcome(renamed), refused.status_code) == (DONE, 422)
    assert (row.name, row.slug) == ("New", "Old_Style")


def test_an_invalid_stored_slug_can_be_changed_and_the_change_undone(app: Flask, root: Person, build: Builder) -> None:
    old = build.tenant("N" * 200, slug="Old_Style")
    visitor, path = Visitor(app, root), f"/organizations/{old.id}/edit"

    changed = visitor.post(path, {**fields_of(visitor.get(path).text), "slug": "new-style"})
    version = build.read(Organization, old.id).version
    undone = visitor.post(f"/activity/organizations/{old.id}/undo", {"version": str(version)})

    row = build.read(Organization, old.id)
    assert (changed.status_code, undone.status_code) == (303, 303)
    assert (row.name, row.slug) == ("N" * 200, "Old_Style")


def test_an_admin_can_rename_their_organization_whatever_its_slug(app: Flask, build: Builder) -> None:
    old = build.tenant("Old", slug="Old_Style")
    visitor, path = (
        Visitor(app, build.person("a@example.com", role=Role.ADMIN, tenant=old)),
        f"/organizations/{old.id}/edit",
    )

    assert visitor.post(path, {**fields_of(visitor.get(path).text), "name": "New"}).status_code == 303
    assert build.read(Organization, old.id).slug == "Old_Style"
