"""Watching the statements that are sent to the database."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import select

from portal.core.db import db
from portal.core.statements import watched
from portal.organizations.models import Organization
from tests.acting import acting


def test_watched_statements_are_listed_in_order_with_times_and_without_values(app: Flask) -> None:
    with acting(app):
        db.session.scalar(select(Organization.id))
        with watched() as seen:
            db.session.scalar(select(Organization.id).where(Organization.slug == "a secret"))
            db.session.scalar(select(Organization.name))
        db.session.scalar(select(Organization.id))

    assert [one.text.split(" FROM")[0] for one in seen] == ["SELECT organizations.id", "SELECT organizations.name"]
    assert all(one.milliseconds > 0 for one in seen)
    assert "a secret" not in "".join(map(str, seen))


def test_nested_watchers_see_the_same_statements(app: Flask) -> None:
    with acting(app), watched() as outer:
        db.session.scalar(select(Organization.id))
        with watched() as inner:
            db.session.scalar(select(Organization.name))

    assert inner == outer[-1:]
