"""What needs attention: each number leads to exactly its rows."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from portal.auth.actions import RATE_LIMITED
from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import command, db
from portal.core.history import record
from portal.jobs.models import Job
from portal.users.models import INVITATION_HOLDS
from tests.acting import acting
from tests.cast import Builder, Person, SignIn, Tenant
from tests.pages import PageClient

CONCERN = re.compile(r'<li><a href="([^"]+)"><strong class="number">([^<]+)</strong> <span>([^<]+)</span>')
ROW = re.compile(r"<tr>\s*<td|<li[^>]*><p>")
EMAILS = """
INSERT INTO queue.procrastinate_jobs (queue_name, task_name, status, args)
SELECT 'emails', 'send', 'failed', jsonb_build_object('kind', 'invitation', 'user_id', CAST(:person AS text))
FROM generate_series(1, :number)
"""
FIGURES = {
    "super administrators without two-factor authentication": "2",
    "administrators without two-factor authentication": "2",
    "organizations without an active administrator": "2",
    "invitations expire soon": "2",
    "failed jobs": "3",
    "bursts of failed attempts since yesterday": "2",
    "failed emails": "2",
}
OF_ACME = {
    "administrator without two-factor authentication": "1",
    "invitation expires soon": "1",
    "failed jobs": "2",
    "burst of failed attempts since yesterday": "1",
}


def concerns(page: str) -> dict[str, tuple[str, str]]:
    """Text -> (URL, number)."""
    return {words: (url.replace("&amp;", "&"), number) for url, number, words in CONCERN.findall(page)}


@command
def add_job(owner: Person, state: str) -> None:
    db.session.add(Job(owner_id=owner.id, organization_id=owner.organization_id, kind="sample", title="x", state=state))


@pytest.fixture
def troubled(
    app: Flask, build: Builder, acme: Tenant, birch: Tenant, ada: Person, bea: Person, root: Person, uma: Person
) -> None:
    """Something of every kind that needs attention, and something similar that doesn't."""
    build.person("safe@example.com", tenant=acme, role=Role.ADMIN, has_two_factor=True)
    build.person("other@example.com", role=Role.SUPER_ADMIN)
    build.person("off@example.com", tenant=acme, role=Role.ADMIN, is_active=False)
    empty, hidden = build.tenant("Empty"), build.tenant("Invited")
    build.person("asked@example.com", tenant=hidden, role=Role.ADMIN, invited_at=now())
    build.tenant("Gone", deleted_at=now())
    soon = now() - INVITATION_HOLDS + timedelta(days=1)
    for place, name in ((acme, "soon"), (empty, "late")):
        build.person(f"{name}@example.com", tenant=place, invited_at=soon)
    build.person("revoked@example.com", tenant=acme, invited_at=soon, revoked_at=now())
    build.person("expired@example.com", tenant=acme, invited_at=soon - timedelta(days=2))
    with acting(app):
        for owner, state in ((ada, "failed"), (ada, "partly failed"), (ada, "done"), (bea, "failed")):
            add_job(owner, state)
        db.session.execute(text(EMAILS), {"person": str(uma.id), "number": 2})
        db.session.commit()
    for person in (uma, bea):
        with acting(app):
            note(person)


@command
def note(person: Person) -> None:
    record(RATE_LIMITED, about=person.id, tenant=person.organization_id)


@pytest.mark.parametrize(("who", "expected"), [("root", FIGURES), ("ada", OF_ACME)])
@pytest.mark.usefixtures("troubled")
def test_each_number_leads_to_exactly_its_rows(
    client: PageClient, sign_in: SignIn, ada: Person, root: Person, who: str, expected: dict[str, str]
) -> None:
    sign_in({"ada": ada, "root": root}[who])

    found = concerns(client.get("/").text)

    assert {words: number for words, (_, number) in found.items()} == expected
    for words, (url, number) in found.items():
        assert len(ROW.findall(client.get(url).text)) == int(number), (words, url)


def test_nothing_needs_attention_in_an_organization_in_order(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant
) -> None:
    sign_in(build.person("safe@example.com", tenant=acme, role=Role.ADMIN, has_two_factor=True))

    page = client.get("/").text

    assert concerns(page) == {}
    assert "Nothing needs attention" in page


def test_an_organization_leaves_the_list_once_an_administrator_accepts(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, root: Person
) -> None:
    tenant = build.tenant("Fresh")
    sign_in(root)
    url = "/organizations/?administrators=none"
    assert "Fresh" in client.get(url).text
    invited = build.person("first@example.com", tenant=tenant, role=Role.ADMIN, invited_at=now())
    assert "Fresh" in client.get(url).text

    with acting(app):
        db.session.execute(text("UPDATE users SET accepted_at = now() WHERE id = :id"), {"id": invited.id})
        db.session.commit()

    assert "Fresh" not in client.get(url).text
    assert "Fresh" in client.get("/organizations/?administrators=unknown").text, "an unknown choice has no effect"
