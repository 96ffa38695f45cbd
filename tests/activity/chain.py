"""Make a chain of seals, tamper with it as the database's owner, and verify it."""

from __future__ import annotations

import re
from typing import Any

import psycopg
from click.testing import Result
from flask import Flask
from sqlalchemy import make_url

from portal.activity import seals
from tests.database import SECRET_KEY

ALL = "The history has not changed since it was sealed.\n"
Owner = psycopg.Connection[tuple[Any, ...]]


def run(app: Flask, *arguments: str, typed: str = "") -> Result:
    return app.test_cli_runner().invoke(args=["activity", *arguments], input=typed)


def connected(address: str) -> Owner:
    url = make_url(address).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(url, autocommit=True)


def act(owner: Owner, many: int, name: str = "p") -> None:
    """Create so many events, each in its own transaction."""
    for number in range(many):
        owner.execute("INSERT INTO users (email) VALUES (%s)", [f"{name}{number}@example.com"])


def tamper(owner: Owner, *statements: str) -> None:
    owner.execute("SET portal.retention = 'on'")
    for statement in statements:
        owner.execute(statement.encode())
    owner.execute("SET portal.retention = ''")


def troubles(app: Flask) -> list[str]:
    """The problems that verifying reports; its exit code must agree."""
    result = run(app, "verify")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    found = [line for line in result.output.splitlines() if re.match(r"(Event|At|No seal|\.\.\.) ", line)]
    assert result.exit_code == (1 if found else 0), result.output
    assert result.output.endswith(ALL) == (not found)
    return found


def resign(owner: Owner) -> None:
    """Recreate the chain, as somebody with the key could."""
    key, previous = seals.derived(SECRET_KEY), None
    owner.execute("SET portal.retention = 'on'")
    for (number,) in owner.execute("SELECT id FROM activity_seals ORDER BY id").fetchall():
        row = owner.execute(
            "UPDATE activity_seals s SET digest = portal_seal_digest(%s, %s, s) WHERE id = %s RETURNING digest",
            [key, previous, number],
        ).fetchone()
        previous = row[0] if row else None
    owner.execute("SET portal.retention = ''")
