"""Creating and listing organizations from the command line, under the same rules as in the form."""

from __future__ import annotations

import csv
import json

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core.db import db
from portal.core.history import Activity
from portal.organizations.models import Organization
from tests.acting import acting
from tests.cast import Builder, Tenant
from tests.cli.test_commands import run


def slugs(app: Flask) -> set[str]:
    with acting(app):
        return set(db.session.scalars(select(Organization.slug)))


def test_an_organization_is_created_with_a_slug_from_its_name(app: Flask) -> None:
    result = run(app, "organizations", "create", "  Nordic\u200b Optics ")

    assert (result.exit_code, result.output) == (0, "Created Nordic Optics (nordic-optics).\n")
    assert slugs(app) == {"nordic-optics"}
    with acting(app):
        (event,) = db.session.execute(select(Activity.action, Activity.actor_role, Activity.actor_id))
        assert tuple(event) == ("create", "SYSTEM", None)


def test_the_slug_can_be_chosen(app: Flask) -> None:
    assert run(app, "organizations", "create", "東京支社", "--slug", "tokyo").exit_code == 0
    assert slugs(app) == {"tokyo"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("Acme", "--slug", "acme"), "already uses this"),
        (("東京",), "--slug"),
        (("Acme 2", "--slug", "Acme_2"), "single hyphens"),
        (("  \u200b ",), "Enter a name"),
        (("x" * 121,), "120 characters at most"),
        (("Acme 2", "--slug", "x" * 64), "63 characters at most"),
        (("a\x07b",), "control characters"),
    ],
)
def test_invalid_values_are_refused_as_in_the_form(
    app: Flask, acme: Tenant, arguments: tuple[str, ...], sentence: str
) -> None:
    result = run(app, "organizations", "create", *arguments)

    assert result.exit_code in (1, 2)
    assert sentence in result.output
    assert "Traceback" not in result.output
    assert slugs(app) == {acme.slug}


def test_organizations_are_listed_by_name_and_can_be_searched(app: Flask, build: Builder) -> None:
    for name in ("Birch & Sons", "Acme, Inc.", "Éclair"):
        assert run(app, "organizations", "create", name).exit_code == 0

    assert [line.split()[0] for line in run(app, "organizations", "list").output.splitlines()] == [
        "acme-inc", "birch-sons", "eclair",
    ]  # fmt: skip
    found = list(csv.DictReader(run(app, "organizations", "list", "acme", "--format", "csv").output.splitlines()))
    assert [(row["slug"], row["name"], row["deleted_at"]) for row in found] == [("acme-inc", "Acme, Inc.", "")]
    (row,) = json.loads(run(app, "organizations", "list", "eclair", "--format", "json").output)
    assert row["name"] == "Éclair"
    assert run(app, "organizations", "list", "--deleted").output == ""
    assert run(app, "organizations", "list", "nowhere").output == ""
