"""The demo's teams."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from portal.core.db import db
from portal.organizations.demo import demo_organizations
from portal.resources.demo import AT_ONCE, Demo, DemoRows
from portal.teams.models import Team, TeamMember
from portal.users.models import User

TEAMS = {
    "Customer support": "Answers questions by phone and email",
    "Finance": "Invoices, payroll and budgets",
    "Operations": "Keeps the daily business running",
    "Product": "Decides what to build next",
    "Sales": "Wins and keeps customers",
}


def demo_rows(demo: Demo) -> DemoRows:
    """Two to five teams in each organization, and two of three people in one of them unless it is deleted."""
    organizations = demo_organizations()
    teams = {one.id: list(_teams(demo, one.id)) for one in organizations}
    active = {one.id for one in organizations if not one.deleted_at}
    yield Team, [team for own in teams.values() for team in own]
    people = select(User.organization_id, User.id).where(User.organization_id.is_not(None)).order_by(User.id)
    for some in db.session.execute(people, execution_options={"yield_per": AT_ONCE}).partitions():
        joined = ((organization_id, user_id) for organization_id, user_id in some if demo.random.random() < 2 / 3)
        chosen = ((demo.random.choice(teams[key]), key, user_id) for key, user_id in joined)
        yield TeamMember, [_member(team, user_id) for team, key, user_id in chosen if key in active]


def _teams(demo: Demo, organization_id: uuid.UUID) -> Iterator[dict[str, Any]]:
    for name in demo.random.sample(sorted(TEAMS), demo.random.randint(2, len(TEAMS))):
        made = demo.record(demo.ago(demo.random.uniform(1, 300)))
        yield {**made, "organization_id": organization_id, "name": name, "description": TEAMS[name]}


def _member(team: dict[str, Any], user_id: uuid.UUID) -> dict[str, Any]:
    return {"team_id": team["id"], "user_id": user_id, "organization_id": team["organization_id"]}
