"""Commands for operators. They parse arguments and print results; other modules do the work."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import click
from flask.cli import AppGroup, with_appcontext

from portal.adoption.cli import adopt
from portal.cli.database import database
from portal.cli.doctor import doctor
from portal.cli.organizations import organizations_group as organizations_group
from portal.cli.parameters import Email, Line
from portal.cli.removal import purge_organization, purge_person
from portal.cli.serve import serve
from portal.core.actor import SYSTEM, Role
from portal.core.clock import now
from portal.core.db import acting_as, db
from portal.core.email_addresses import lookup_email
from portal.core.errors import Conflict
from portal.core.keys import uuid7
from portal.core.lines import one_line
from portal.demo import DEMO_ACCOUNTS, DEMO_PASSWORD
from portal.demo_data import seed as seeding
from portal.isolation.cli import tenancy
from portal.organizations import queries as organizations
from portal.tokens.commands import prune
from portal.users import commands, links, locks, passwords, queries, totals
from portal.users.commands import users
from portal.users.forms import LONGEST_NAME
from portal.users.mfa_resets import reset
from portal.users.models import User
from portal.users.rules import PasswordRule, rule_for, rule_for_new
from portal.web.given import current_settings

UNKNOWN_ADDRESS = "PORTAL_URL is not set. Invitation link, valid for 7 days, as a path: {}"

users_group = AppGroup("users", help="Manage people, acting as the system.")
password_option = click.option("--password", help="The password; empty for a random one. Asked for if omitted.")


@click.command("seed")
@click.option(
    "--email", type=Email(), default="admin@example.com", show_default=True, help="The super administrator's email."
)
@click.option(
    "--name", type=Line(2 * LONGEST_NAME), default="Admin User", show_default=True, help="First and last name."
)
@password_option
@click.option("--demo", is_flag=True, help="Fill an empty database with sample organizations and people.")
@click.option(
    "--people",
    type=click.IntRange(10, 10_000_000),
    default=5_000,
    show_default=True,
    help="Number of people for --demo.",
)
@with_appcontext
def seed_command(email: str, name: str, password: str | None, demo: bool, people: int) -> None:
    """Create the first super administrator, unless the address is in use.

    The last word of the name becomes the last name.
    """
    if demo:
        _seed_demo(people)
        return
    with acting_as(SYSTEM):
        known = db.session.scalar(queries.by_email(email)) is not None
    if known:
        click.echo(f"{email} already exists. Nothing was changed.")
        return
    first_name, last_name = _names(name)
    chosen, note = _chosen(password, rule_for_new(email, first_name, last_name))
    with acting_as(SYSTEM):
        _create(email, Role.SUPER_ADMIN, chosen, first_name=first_name, last_name=last_name, email_verified=True)
    click.echo(f"Created the super administrator {email}.{note}")


@users_group.command("create")
@click.argument("email", type=Email())
@click.option("--role", type=click.Choice([role.name for role in Role]), default="USER", show_default=True)
@click.option("--organization", metavar="SLUG", help="The organization's slug.")
@click.option("--first-name", type=Line(LONGEST_NAME))
@click.option("--last-name", type=Line(LONGEST_NAME))
@click.option("--password", help="Set a password instead of sending an invitation.")
def create_command(
    email: str,
    role: str,
    organization: str | None,
    first_name: str | None,
    last_name: str | None,
    password: str | None,
) -> None:
    """Create a person, send the invitation and print its link."""
    if role == Role.ADMIN.name and not organization:
        raise click.ClickException("An ADMIN needs an organization. Use --organization SLUG.")
    with acting_as(SYSTEM):
        home = db.session.scalar(organizations.by_slug(organization)) if organization else None
        if organization and home is None:
            raise click.ClickException(one_line(f"There is no organization with the slug {organization}."))
        named, least = ((home.name, home.slug), home.password_minimum or 0) if home else ((), 0)
        rule = rule_for_new(email, first_name, last_name, *named, least=least)
        chosen = _chosen(password, rule)[0] if password else None
        values = {"first_name": first_name or None, "last_name": last_name or None}
        user_id = _create(email, Role[role], chosen, **values, organization_id=home.id if home else None)
        note = "" if chosen else _invitation(user_id)
    click.echo(f"Created {email}.{note}")


@users_group.command("set-password")
@click.argument("email", type=lookup_email)
@password_option
def set_password_command(email: str, password: str | None) -> None:
    """Set a person's password. All their sessions and API tokens end."""
    with acting_as(SYSTEM):
        user = _person(email)
        chosen, told = _chosen(password, rule_for(user.id))
        commands.set_password(user.id, chosen, temporary=bool(told))
    click.echo(f"The password of {email} is set.{told}")


@users_group.command("unlock")
@click.argument("email", type=lookup_email)
def unlock_command(email: str) -> None:
    """Lift the rate limit on a person's sign-in after too many wrong passwords."""
    with acting_as(SYSTEM):
        user = _person(email)
        locks.unlock(user.id)
    click.echo(f"{email} can try to sign in again.")


@users_group.command("prune-sessions")
@click.option(
    "--days",
    type=click.IntRange(1, 36_500),
    default=90,
    show_default=True,
    help="Minimum time since the sessions ended.",
)
def prune_sessions_command(days: int) -> None:
    """Remove sessions that ended or expired long ago."""
    with acting_as(SYSTEM):
        removed = prune(now() - timedelta(days=days))
    click.echo(f"Removed {removed:,} sessions that ended more than {days} days ago.")


@users_group.command("recount")
def recount_command() -> None:
    """Count everybody again, if people were written while the database's triggers were off."""
    with acting_as(SYSTEM):
        totals.recount()
    click.echo("Counted everybody.")


@users_group.command("reset-two-factor")
@click.argument("email", type=lookup_email)
def reset_two_factor_command(email: str) -> None:
    """Remove a person's second factors, for example if they were lost, and end all their sessions."""
    with acting_as(SYSTEM):
        user = _person(email)
        reset(user.id)
    click.echo(f"{email} can now sign in with only the password.")


def _seed_demo(people: int) -> None:
    settings = current_settings()
    if not seeding.is_empty():
        click.echo("The database already contains data, and demo data needs an empty one. Nothing was changed.")
        return

    def progress(rows: Iterable[Any]) -> Iterator[Any]:
        with click.progressbar(rows, length=people, label="People") as bar:
            yield from bar

    made = seeding.seed_demo(people, with_sign_ins=not settings.production, progress=progress)
    click.echo(f"Created {', '.join(f'{many:,} {plural}' for plural, many in made.items())}.")
    if settings.production:
        click.echo("None of them can sign in. Set a password with `flask users set-password`.")
    else:
        click.echo(f"Sign in as {DEMO_ACCOUNTS[0][1]} with the password: {DEMO_PASSWORD}")


def _create(email: str, role: Role, password: str | None, **values: Any) -> uuid.UUID:
    try:
        return users.create({"email": email, "role": role, **values}, row_id=uuid7(), anew=True, password=password)
    except Conflict as conflict:
        raise click.ClickException(one_line(conflict.message)) from None


def _person(email: str) -> User:
    user = db.session.scalar(queries.by_email(email))
    if user is None:
        raise click.ClickException(f"Nobody has the address {email}.")
    return user


def _names(name: str) -> tuple[str | None, str | None]:
    """First and last name; a single word is a first name."""
    first, _, last = name.rpartition(" ") if " " in name else (name, "", "")
    if max(len(first), len(last)) > LONGEST_NAME:
        raise click.ClickException(f"Use {LONGEST_NAME} characters at most for a first or last name.")
    return first or None, last or None


def _invitation(user_id: uuid.UUID) -> str:
    """A message with an invitation link, which works besides the emailed one. Only PORTAL_URL has the host."""
    found = links.person(user_id)
    if found is None:
        return ""
    if current_settings().public_url:
        return f" Invitation link, valid for 7 days: {links.address(found, links.HANDED)}"
    return f" {UNKNOWN_ADDRESS.format(links.path(found, links.HANDED))}"


def _chosen(password: str | None, rule: PasswordRule) -> tuple[str, str]:
    """An acceptable password, and a message that contains it if it is random."""
    if password is None and sys.stdin.isatty():
        password = click.prompt("Password (empty for a random one)", hide_input=True, default="", show_default=False)
    if not password:
        made = passwords.random_password()
        return made, f" Password, shown only once: {made}"
    if problem := rule.problem_of(password):
        raise click.ClickException(problem)
    return password, ""


database.add_command(adopt)
organizations_group.add_command(purge_organization)
users_group.add_command(purge_person)
COMMANDS = (serve, seed_command, organizations_group, users_group, tenancy, doctor, database)
