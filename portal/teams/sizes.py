"""Check the number of people in each team, which triggers keep."""

from __future__ import annotations

from sqlalchemy import func, select

from portal.core.checks import Check, CheckFailed
from portal.core.db import db
from portal.teams.models import TeamMember, TeamSize
from portal.users.models import User
from portal.users.tabs import ACCEPTED


def _checked() -> str:
    """Reads every member."""
    joined = select(TeamMember.team_id, func.count().label("people")).join(User, User.id == TeamMember.user_id)
    right = joined.where(ACCEPTED).group_by(TeamMember.team_id).subquery()
    sizes = select(func.count()).select_from(TeamSize).outerjoin(right, right.c.team_id == TeamSize.team_id)
    wrong = db.session.scalar(sizes.where(TeamSize.people != func.coalesce(right.c.people, 0))) or 0
    if wrong:
        raise CheckFailed(f"{wrong:,} teams have another size than number of people: run `flask users recount`.")
    return "as many people in each as it has"


CHECKS = (Check("teams", _checked),)
