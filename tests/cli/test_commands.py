"""The commands for operators, which never reveal a known password."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta

import pyotp
import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.config import ROOT
from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import db
from portal.demo import DEMO_PASSWORD
from portal.mfa import codes
from portal.mfa import commands as mfa
from portal.organizations.models import Organization
from portal.tokens.commands import Lifetime, open_session
from portal.tokens.queries import live_of
from portal.users.models import User
from tests.access.visitor import Visitor
from tests.acting import acting, portal_on
from tests.cast import PASSWORD, Builder, Person, Tenant
from tests.database import SECRET_KEY
from tests.pages import fields_of

TEMPORARY = r"(?:[a-z2-9]{5}-){3}[a-z2-9]{5}"

DAY = Lifetime(timedelta(days=1), timedelta(days=1))


def run(app: Flask, *arguments: str, typed: str = "") -> Result:
    return app.test_cli_runner().invoke(args=list(arguments), input=typed)


def can_sign_in(app: Flask, email: str, password: str) -> bool:
    """Whether this email and password sign in through the form."""
    client: FlaskClient = app.test_client()
    fields = fields_of(client.get("/login").text)
    return client.post("/login", data={**fields, "email": email, "password": password}).status_code == 303


def people(app: Flask) -> list[tuple[str, Role]]:
    with acting(app):
        return [(email, role) for email, role in db.session.execute(select(User.email, User.role)).all()]


def test_flask_seed_creates_the_first_super_admin_with_a_password_shown_once(fresh_app: Flask) -> None:
    result = run(fresh_app, "seed", typed="\n")

    assert result.exit_code == 0
    assert people(fresh_app) == [("admin@example.com", Role.SUPER_ADMIN)]
    found = re.search(TEMPORARY, result.output)
    assert found
    assert can_sign_in(fresh_app, "admin@example.com", found.group())


def test_flask_seed_can_be_repeated_without_changes(fresh_app: Flask) -> None:
    run(fresh_app, "seed", "--password", PASSWORD)

    result = run(fresh_app, "seed", "--password", "something else entirely", "--email", "ADMIN@example.com")

    assert result.exit_code == 0
    assert "already exists" in result.output
    assert can_sign_in(fresh_app, "admin@example.com", PASSWORD)
    assert len(people(fresh_app)) == 1


def test_flask_seed_asks_for_a_password_without_echoing_it(fresh_app: Flask, fresh_database: str) -> None:
    in_a_terminal = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"
    command = [sys.executable, "-c", in_a_terminal, sys.executable, "-m", "flask", "--app", "wsgi", "seed"]
    environment = {**os.environ, "DATABASE_URL": fresh_database, "SECRET_KEY": SECRET_KEY}
    with subprocess.Popen(  # noqa: S603
        [*command, "--email", "Chief@Example.com"],
        cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        shown = b""
        while b"random one):" not in shown:
            shown += process.stdout.read(1) or pytest.fail(shown.decode())
        process.stdin.write(f"{PASSWORD}\n".encode())
        shown += process.stdout.read()

    assert process.returncode == 0
    assert PASSWORD.encode() not in shown
    assert people(fresh_app) == [("chief@example.com", Role.SUPER_ADMIN)]
    assert can_sign_in(fresh_app, "chief@example.com", PASSWORD)


@pytest.mark.parametrize("password", ["admin123", "short", DEMO_PASSWORD, "x" * 5_000])
def test_au8_flask_seed_refuses_short_and_known_passwords(fresh_app: Flask, password: str) -> None:
    result = run(fresh_app, "seed", "--password", password)

    assert result.exit_code == 1
    assert people(fresh_app) == []


def test_au8_a_fresh_installation_has_no_default_account(fresh_app: Flask) -> None:
    for email, password in (
        ("admin@example.com", "admin123"), ("admin@example.com", ""), ("admin@example.com", DEMO_PASSWORD),
        ("admin", "admin"), ("root@example.com", "root"),
    ):  # fmt: skip
        assert not can_sign_in(fresh_app, email, password)

    run(fresh_app, "seed", typed="\n")
    assert not can_sign_in(fresh_app, "admin@example.com", "admin123")


def test_au8_the_demo_password_does_not_work_in_production(fresh_database: str) -> None:
    with portal_on(fresh_database) as demo:
        run(demo, "seed", "--demo", "--people", "20")
        assert can_sign_in(demo, "admin@example.com", DEMO_PASSWORD)
    with portal_on(fresh_database, production=True) as production:
        assert not can_sign_in(production, "admin@example.com", DEMO_PASSWORD)


def test_au8_nobody_can_sign_in_to_a_demo_created_in_production(fresh_database: str) -> None:
    with portal_on(fresh_database, production=True) as app:
        result = run(app, "seed", "--demo", "--people", "20")

        assert result.exit_code == 0
        assert DEMO_PASSWORD not in result.output
        with acting(app):
            assert set(db.session.scalars(select(User.password))) == {None}


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [("Ada Berg", "Ada", "Berg"), ("  Anna  Maria\u200b Berg ", "Anna Maria", "Berg"), ("Ada", "Ada", None)],
)
def test_flask_seed_names_the_first_super_admin(fresh_app: Flask, name: str, first: str, last: str | None) -> None:
    result = run(fresh_app, "seed", "--name", name, "--password", PASSWORD)

    assert result.exit_code == 0, result.output
    with acting(fresh_app):
        assert db.session.execute(select(User.first_name, User.last_name)).all() == [(first, last)]


def test_flask_seed_refuses_a_password_like_the_name_and_an_overlong_name(fresh_app: Flask) -> None:
    for name, password in (("Bartholomew Featherstone", "bartholomew featherstone"), ("x" * 200, PASSWORD)):
        assert run(fresh_app, "seed", "--name", name, "--password", password).exit_code in (1, 2)
    assert people(fresh_app) == []


def test_the_demo_needs_an_empty_database(fresh_app: Flask) -> None:
    run(fresh_app, "seed", "--password", PASSWORD)

    result = run(fresh_app, "seed", "--demo")

    assert "Nothing was changed" in result.output
    assert len(people(fresh_app)) == 1


def test_the_demo_shows_its_progress_and_its_password(fresh_app: Flask) -> None:
    result = run(fresh_app, "seed", "--demo", "--people", "50")

    assert re.search(r"Created 12 organizations, .*50 people", result.output)
    assert DEMO_PASSWORD in result.output


@pytest.mark.parametrize("number", ["9", "0", "-5", "10000001", "many"])
def test_the_demo_refuses_an_invalid_number_of_people(fresh_app: Flask, number: str) -> None:
    assert run(fresh_app, "seed", "--demo", "--people", number).exit_code == 2


@pytest.mark.parametrize("url", [None, "https://portal.example.com", "https://example.com/portal"])
def test_users_create_prints_the_invitation_link(
    app: Flask, acme: Tenant, change_settings: Callable[..., None], url: str | None
) -> None:
    change_settings(public_url=url)
    result = run(
        app, "users", "create", "New@Example.com", "--role", "ADMIN", "--organization", "acme", "--first-name", "New"
    )

    assert result.exit_code == 0, result.output
    unknown = "PORTAL_URL is not set. Invitation link, valid for 7 days, as a path: "
    prefix = f"Invitation link, valid for 7 days: {url}" if url else unknown
    link = re.fullmatch(rf"Created new@example\.com\. {re.escape(prefix)}(/invitations/\S+)\n", result.output)
    assert link
    change_settings(public_url=None)
    visitor = Visitor(app)
    visitor.get(link[1])
    assert "new@example.com" in visitor.get("/invitations/").text
    with acting(app):
        user = db.session.scalars(select(User)).one()
        assert (user.role, user.organization_id, user.must_change_password) == (Role.ADMIN, acme.id, False)
        assert (user.created_by, user.invitation) == (None, "pending")


def test_users_create_refuses_an_admin_without_an_organization(app: Flask) -> None:
    result = run(app, "users", "create", "new@example.com", "--role", "ADMIN")

    assert (result.exit_code, people(app)) == (1, [])
    assert result.output == "Error: An ADMIN needs an organization. Use --organization SLUG.\n"


def test_users_create_accepts_a_password_instead_of_an_invitation(app: Flask) -> None:
    short = run(app, "users", "create", "new@example.com", "--password", "short")
    result = run(app, "users", "create", "new@example.com", "--password", "a password of my own")

    assert (short.exit_code, result.output) == (1, "Created new@example.com.\n")
    assert (
        Visitor(app).post("/login", {"email": "new@example.com", "password": "a password of my own"}).status_code == 303
    )


def test_users_create_reports_errors_in_one_sentence(app: Flask, uma: Person) -> None:
    for arguments, sentence in (
        ((uma.email,), "already uses this address"),
        (("new@example.com", "--organization", "nowhere"), "There is no organization with the slug nowhere."),
        (("nonsense",), "no @"),
        (("new@example.com", "--role", "EMPEROR"), "EMPEROR"),
    ):
        result = run(app, "users", "create", *arguments)
        assert result.exit_code in (1, 2)
        assert sentence in result.output
        assert "Traceback" not in result.output


def test_lg6_control_characters_in_a_name_are_escaped_in_the_output(app: Flask, build: Builder) -> None:
    build.person("evil@example.com", first_name="\x1b[2J\x1b[1;31mEvil\r\nCreated you@example.com.")

    result = run(app, "users", "create", "evil@example.com")

    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert r"\x1b[2J\x1b[1;31mEvil\r\nCreated" in result.output


def test_users_create_for_a_deleted_organization_is_refused(app: Flask, root: Person, acme: Tenant) -> None:
    with acting(app):
        organization = db.session.get(Organization, acme.id)
        assert organization
        db.session.delete(organization)
        db.session.commit()

    assert run(app, "users", "create", "new@example.com", "--organization", "acme").exit_code == 1


def test_users_set_password_ends_all_sessions(app: Flask, uma: Person) -> None:
    with acting(app):
        open_session(uma.id, uma.organization_id, lifetime=DAY)

    result = run(app, "users", "set-password", "UMA@example.com", "--password", "something else entirely")

    assert result.exit_code == 0
    assert "something else" not in result.output
    with acting(app):
        assert db.session.scalar(live_of(uma.id)) == 0
    assert can_sign_in(app, uma.email, "something else entirely")
    assert not can_sign_in(app, uma.email, PASSWORD)


def test_users_set_password_generates_one_if_none_is_entered(app: Flask, uma: Person) -> None:
    result = run(app, "users", "set-password", uma.email, typed="\n")

    found = re.search(TEMPORARY, result.output)
    assert found
    assert can_sign_in(app, uma.email, found.group())


def test_au7_users_unlock_lifts_a_super_admins_rate_limit(fresh_database: str) -> None:
    with portal_on(fresh_database, guesses_per_account=2) as app:
        chief = Builder(app).person("chief@example.com", role=Role.SUPER_ADMIN)
        assert not can_sign_in(app, chief.email, "wrong")
        assert not can_sign_in(app, chief.email, PASSWORD)

        result = run(app, "users", "unlock", "CHIEF@example.com")

        assert result.output == "chief@example.com can try to sign in again.\n"
        assert can_sign_in(app, chief.email, PASSWORD)
        assert run(app, "users", "unlock", "nobody@example.com").exit_code == 1


def test_users_reset_two_factor_makes_the_password_enough(app: Flask, uma: Person) -> None:
    with acting(app, uma):
        secret = codes.new_secret()
        mfa.add_authenticator(secret, pyotp.TOTP(secret).at(now()))

    result = run(app, "users", "reset-two-factor", uma.email)

    assert result.output == f"{uma.email} can now sign in with only the password.\n"
    with acting(app):
        assert not mfa.methods_of(uma.id).exist
    assert run(app, "users", "reset-two-factor", "nobody@example.com").exit_code == 1


def test_users_set_password_refuses_a_short_password_and_an_unknown_email(app: Flask, uma: Person) -> None:
    short = run(app, "users", "set-password", uma.email, "--password", "short")
    unknown = run(app, "users", "set-password", "nobody@example.com", "--password", PASSWORD)

    assert (short.exit_code, unknown.exit_code) == (1, 1)
    assert "Nobody has the address nobody@example.com." in unknown.output
    assert can_sign_in(app, uma.email, PASSWORD)


def test_users_prune_sessions_removes_old_sessions(app: Flask, uma: Person) -> None:
    with acting(app):
        for days in (-100, -80, 1):
            open_session(uma.id, None, lifetime=Lifetime(timedelta(days=days), timedelta(days=200)))

    first, second = run(app, "users", "prune-sessions"), run(app, "users", "prune-sessions", "--days", "70")

    assert first.output == "Removed 1 sessions that ended more than 90 days ago.\n"
    assert second.output == "Removed 1 sessions that ended more than 70 days ago.\n"
    with acting(app):
        assert db.session.scalar(live_of(uma.id)) == 1
    assert run(app, "users", "prune-sessions", "--days", "0").exit_code == 2
