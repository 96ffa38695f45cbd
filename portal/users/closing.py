"""What deleting an organization means for its people, in numbers, as sentences to confirm."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import select

from portal.core.actor import Role
from portal.core.counts import counted, numbered
from portal.core.db import db
from portal.tokens.queries import api_tokens_in, live_in
from portal.users import tabs
from portal.users.models import User, has_invitation
from portal.users.totals import UserTotal, active_in
from portal.web.confirming import Fleeting

NOBODY = "It has no people who can sign in."
KEPT = "Their records are kept, and their email addresses stay reserved."


def of_closing(organization_id: uuid.UUID) -> list[str]:
    """Consequences of deleting an organization for its people, whose numbers a SUPER_ADMIN may see."""
    inside = User.organization_id == organization_id
    sentences = [
        *_of_access(organization_id),
        _counted(
            select(User).where(inside, tabs.INVITED, has_invitation("pending")),
            "invitation stops",
            "invitations stop",
        ),
        Fleeting(_counted(live_in(organization_id), "session stops", "sessions stop")),
        _counted(api_tokens_in(organization_id), "API token stops", "API tokens stop"),
    ]
    return [one for one in sentences if one]


def _of_access(organization_id: uuid.UUID) -> list[str]:
    numbers = select(active_in(organization_id), active_in(organization_id, UserTotal.role == Role.ADMIN))
    people, admins = db.session.execute(numbers).one()
    if not people:
        return [NOBODY]
    lose, position = "person loses" if people == 1 else "people lose", "administrator" + "s" * (admins != 1)
    return [f"{people:,} {lose} access at once, {admins:,} of them as {position}.", KEPT]


def _counted(rows: Any, one: str, several: str) -> str:
    many = counted(rows)
    return f"{numbered(many, one, several)} working." if many.value else ""
