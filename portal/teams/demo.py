"""The demo's teams."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from sqlalchemy import select

from portal.core.db import db
from portal.resources.demo import Demo, DemoRows
from portal.teams.models import Team, TeamMember
from portal.users.models import User

Row = dict[str, Any]
TEAMS = {
    "Customer support": "Answers questions by phone and email",
    "Finance": "Invoices, payroll and budgets",
    "Operations": "Keeps the daily business running",
    "Product": "Decides what to build next",
    "Sales": "Wins and keeps customers",
}


def demo_rows(demo: Demo) -> DemoRows:
    """Two to five teams in each organization, and two of three people in one of them."""
    random, teams, members = demo.random, list[Row](), list[Row]()
    found = select(User.organization_id, User.id).where(User.organization_id.is_not(None))
    ordered = db.session.execute(found.order_by(User.organization_id, User.id))
    for organization_id, people in groupby(ordered, lambda person: person[0]):
        home = {"organization_id": organization_id}
        names = random.sample(sorted(TEAMS), random.randint(2, len(TEAMS)))
        made = [demo.record(demo.ago(random.uniform(1, 300))) for _ in names]
        own = [{**row, **home, "name": name, "description": TEAMS[name]} for row, name in zip(made, names, strict=True)]
        teams += own
        joined = [user_id for _, user_id in people if random.random() < 2 / 3]
        members += [{"team_id": random.choice(own)["id"], "user_id": user_id, **home} for user_id in joined]
    yield Team, teams
    yield TeamMember, members
