"""How people and their states are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from portal.core.days import dated
from portal.users.models import full_name, has_expired, invitation_of

TWO_FACTOR = "Two-factor authentication"


def name_of(row: Any) -> str:
    """The name of a person, given an entity or a row of a list."""
    return full_name(row.first_name, row.last_name, row.email)


@dataclass(frozen=True)
class State:
    """Whether a person can sign in: in words, and as the class of a dot."""

    label: str
    dot: str = "dot"


INVITED = {
    "pending": State("Invited"),
    "expired": State("Invitation expired", "dot amber"),
    "revoked": State("Invitation revoked", "dot amber"),
}
DELETED, WITHOUT_ORGANIZATION = State("Deleted"), State("Organization deleted", "dot amber")
EXPIRED = State("Expired", "dot amber")  # until a worker deactivates them
DEACTIVATED, ACTIVE = State("Deactivated", "dot amber"), State("Active", "dot green")


def state_of(row: Any, gone: bool = False) -> State:
    """The state of an entity or a row of a list. `gone`: the organization is deleted, if the row doesn't say so."""
    if row.deleted_at:
        return DELETED
    if getattr(row, "organization_deleted", gone):
        return WITHOUT_ORGANIZATION
    if not row.is_active:
        return DEACTIVATED
    return EXPIRED if has_expired(row) else INVITED.get(invitation_of(row) or "", ACTIVE)


def listed_state(row: Any) -> tuple[str, str, str]:
    """For lists: the class of the dot, the label, and what the sign beside it means, if any."""
    state = state_of(row)
    if state is DEACTIVATED and row.activates_on:
        state = State(f"Starts {dated(row.activates_on)}")
    return state.dot, state.label, TWO_FACTOR if row.has_two_factor else ""
