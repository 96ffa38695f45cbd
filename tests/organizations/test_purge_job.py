"""A large organization is permanently deleted by a job."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import undefer

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import db
from portal.jobs import running
from portal.jobs.models import Job
from portal.organizations.commands import organizations
from portal.organizations.models import Organization
from portal.users.models import User
from tests.acting import acting
from tests.cast import Builder, Person, Tenant, page_client


@pytest.fixture
def large(fresh_app: Flask, monkeypatch: pytest.MonkeyPatch) -> tuple[Person, Tenant]:
    """A deleted organization of seven people, too large for a request."""
    monkeypatch.setattr("portal.organizations.commands.MOST_AT_ONCE", 5)
    monkeypatch.setattr("portal.core.purging.AT_ONCE", 3)
    build = Builder(fresh_app)
    tenant = build.tenant("Gone Ltd", slug="gone", deleted_at=now())
    for number in range(7):
        build.person(f"p{number}@example.com", tenant=tenant)
    root = build.person("root@example.com", role=Role.SUPER_ADMIN)
    return root, tenant


def job_of(app: Flask) -> Job:
    with acting(app):
        return db.session.scalars(select(Job).options(undefer(Job.arguments))).one()


def people(app: Flask) -> int:
    with acting(app):
        return db.session.scalar(select(func.count(User.id)).where(User.organization_id.is_not(None))) or 0


def test_a_large_organization_is_removed_by_a_job_that_names_nobody(
    fresh_app: Flask, large: tuple[Person, Tenant]
) -> None:
    root, gone = large
    client = page_client(fresh_app, root)
    path = f"/organizations/{gone.id}/purge"
    assert "7 people are permanently deleted with it" in client.get(path).text

    begun = client.send(path, {"typed": "gone"})

    assert "Gone Ltd is being deleted permanently." in client.get(begun.headers["Location"]).text
    assert (people(fresh_app), job_of(fresh_app).total) == (7, 7)
    with fresh_app.app_context():
        running.run(job_of(fresh_app).id)
    job = job_of(fresh_app)
    assert (job.state, job.done, people(fresh_app)) == ("done", 7, 0)
    assert Builder(fresh_app).read(Organization, gone.id) is None
    assert "gone" not in f"{job.title} {job.arguments}".casefold()


def test_the_job_stops_once_the_organization_is_restored(fresh_app: Flask, large: tuple[Person, Tenant]) -> None:
    root, gone = large
    with acting(fresh_app, root):
        assert not organizations.begin_purge(gone.id)
        organizations.restore(gone.id)
    with fresh_app.app_context():
        running.run(job_of(fresh_app).id)

    job = job_of(fresh_app)
    assert (job.state, people(fresh_app)) == ("failed", 7)
    assert "The organization was restored" in (job.message or "")
