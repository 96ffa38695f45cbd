"""Permanent deletion from the command line."""

from __future__ import annotations

import pytest
from flask import Flask

from portal.core.clock import now
from portal.core.errors import Conflict
from portal.organizations.models import Organization
from portal.users.commands import users
from portal.users.models import User
from tests.acting import acting
from tests.cast import Builder, Person, Tenant
from tests.cli.test_commands import run


def test_everybody_deleted_with_an_address_is_removed_but_not_the_active_person(
    app: Flask, build: Builder, gil: Person
) -> None:
    other, active = build.person("GIL@example.com", deleted_at=now()), build.person(gil.email)

    result = run(app, "users", "purge", "Gil@Example.com", typed="y\n")

    assert result.exit_code == 0
    assert "will be permanently deleted" in result.output
    assert "gil@example.com is permanently deleted." in result.output
    assert [build.read(User, one.id) is None for one in (gil, other, active)] == [True, True, False]


def test_an_active_row_is_removed_only_if_asked_to_delete_it_first(
    app: Flask, build: Builder, uma: Person, acme: Tenant
) -> None:
    for arguments in (("users", "purge", uma.email), ("organizations", "purge", acme.slug)):
        refused = run(app, *arguments, "--yes")
        assert refused.exit_code == 1
        assert "isn't deleted. Use --delete to delete it first." in refused.output
    assert build.read(User, uma.id).deleted_at is None

    assert run(app, "organizations", "purge", acme.slug, "--yes", "--delete").exit_code == 0
    assert build.read(Organization, acme.id) is None
    assert build.read(User, uma.id) is None


@pytest.mark.parametrize("name", ["nobody@example.com", "\x1b[31m", "'; DROP TABLE users; --", ""])
def test_an_unknown_name_is_an_error(app: Flask, gil: Person, name: str) -> None:
    for group in ("users", "organizations"):
        result = run(app, group, "purge", name, "--yes")
        assert isinstance(result.exception, SystemExit)
        assert result.exit_code in (1, 2)
        assert "\x1b" not in result.output
        assert "There is no" in result.output or "control characters" in result.output


def test_nothing_is_removed_without_an_answer(app: Flask, build: Builder, gil: Person) -> None:
    result = run(app, "users", "purge", gil.email, typed="n\n")

    assert result.exit_code == 1
    assert build.read(User, gil.id) is not None


def test_the_last_super_admin_stays(app: Flask, build: Builder, root: Person) -> None:
    result = run(app, "users", "purge", root.email, "--yes", "--delete")

    assert result.exit_code == 1
    assert "last super administrator" in result.output
    assert build.read(User, root.id).deleted_at is None
    with acting(app), pytest.raises(Conflict):
        users.delete(root.id)
