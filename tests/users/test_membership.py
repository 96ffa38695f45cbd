"""The numbers of the dashboard, of organizations and of people read few rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.counts import Count
from portal.core.db import db
from portal.core.listing import Listing
from portal.organizations.models import Organization
from portal.users import queries as users
from portal.users.membership import People
from tests.acting import acting
from tests.cast import Builder, Person

DAYS, EACH = 30, 40
FILL = """
INSERT INTO users (email, organization_id, created_at, is_active, invited_at)
SELECT 'p' || n || '@example.com', :tenant, CAST(:first AS timestamptz) + n % :days * interval '1 day 1 second',
    n / :days % 10 <> 0, CASE WHEN n / :days % 10 = 1 THEN now() END
FROM generate_series(1, :number) n
"""
READ = """
SELECT coalesce(sum(pg_stat_get_xact_tuples_returned(indexrelid)), 0)
    + pg_stat_get_xact_tuples_returned('users'::regclass) FROM pg_index WHERE indrelid = 'users'::regclass
"""
LARGE = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off"  # as if the table were large
FIRST = now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS - 1)


@pytest.fixture
def busy(fresh_app: Flask) -> Person:
    """An administrator of an organization with 40 new people a day: 32 active, 4 invited, 4 deactivated."""
    build = Builder(fresh_app)
    tenant = build.tenant("Busy")
    admin = build.person("admin@busy.example", role=Role.ADMIN, tenant=tenant, created_at=FIRST - timedelta(days=9))
    with acting(fresh_app):
        db.session.execute(text("SET LOCAL synchronous_commit = on"))  # VACUUM ignores what wasn't flushed yet
        filled = {"tenant": tenant.id, "first": FIRST, "days": DAYS, "number": DAYS * EACH}
        db.session.execute(text(FILL), filled)
        db.session.commit()
    with (
        fresh_app.app_context(),
        db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
    ):
        connection.exec_driver_sql("VACUUM ANALYZE users")  # so that index-only scans need no rows
    return admin


def read_by(work: Callable[[], Any]) -> tuple[Any, int]:
    """The result, and how many index entries or rows of the table were read."""
    db.session.connection().exec_driver_sql(LARGE)
    before: int = db.session.scalar(text(READ))
    result = work()
    return result, db.session.scalar(text(READ)) - before


@pytest.mark.parametrize("who", ["ADMIN", "SUPER_ADMIN"])
def test_counting_reads_no_people(fresh_app: Flask, busy: Person, who: str) -> None:
    with acting(fresh_app, busy if who == "ADMIN" else None):
        lists = [users.listing({"status": status}, "/users/") for status in ("active", "invited", "deactivated")]
        totals, read = read_by(lambda: Listing.totals(*lists))

    assert totals == [Count(32 * DAYS + 1), Count(4 * DAYS), Count(4 * DAYS)]
    assert read == 0


@pytest.mark.parametrize("who", ["ADMIN", "SUPER_ADMIN"])
def test_the_page_of_an_organization_reads_only_its_newest_people(fresh_app: Flask, busy: Person, who: str) -> None:
    assert busy.organization_id is not None
    with acting(fresh_app, busy if who == "ADMIN" else None):
        found, read = read_by(lambda: People().of(busy.organization_id))  # type: ignore[arg-type]

    assert (found.people, found.admins) == (Count(32 * DAYS + 1), Count(1))
    assert read < EACH


def test_the_list_of_organizations_reads_no_people(fresh_app: Flask, busy: Person) -> None:
    with acting(fresh_app):
        counted = select(People().counted()).select_from(Organization)
        numbers, read = read_by(lambda: db.session.scalars(counted).all())

    assert numbers == [32 * DAYS + 1]
    assert read == 0


def test_the_list_of_an_admin_reads_only_its_page(fresh_app: Flask, busy: Person) -> None:
    with acting(fresh_app, busy):
        page, read = read_by(lambda: users.listing({}, "/users/").page())

    assert (len(page.rows), page.total) == (25, Count(32 * DAYS + 1))
    assert read < 3 * EACH
