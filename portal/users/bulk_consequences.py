"""Consequences of changing many people at once, in numbers. Those for one person: users/consequences.py."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnExpressionArgument, func, literal, not_, select
from sqlalchemy.orm import aliased

from portal.core.actor import Role
from portal.core.bulk import among
from portal.core.counts import number_of
from portal.core.db import db
from portal.resources.relation import links_of
from portal.tokens.queries import api_tokens_in_use, live_of
from portal.users import tabs
from portal.users.models import User

ROLES = {
    Role.USER: "They can then only use their own accounts.",
    Role.ADMIN: "They can then manage the people and the name of their organization.",
    Role.SUPER_ADMIN: "They get full access to every organization, every person and the data browser.",
}
RETURNING = {
    Role.ADMIN: "{} of them can manage their organization again.",
    Role.SUPER_ADMIN: "{} of them get full access to every organization again.",
}


def of_many(ids: Sequence[uuid.UUID], values: Mapping[str, Any]) -> list[str]:
    """The consequences of setting these values."""
    if values.get("deleted_at") is not None:
        return [*_of_leaving(ids), "Their records can be restored from the list of deleted people."]
    if values.get("is_active") is False:
        return [*_of_leaving(ids), "Their records are kept, and they can be activated again."]
    if "deleted_at" in values or "is_active" in values:
        return [*_of_returning(ids)]
    if "organization_id" in values:
        return [*_of_moving(ids)]
    role = values.get("role")
    granted = [ROLES[role]] if isinstance(role, Role) else []
    lost = _of_administrators(ids) if role is Role.USER else ()
    return [*granted, *lost, "Apps that are signed in as them are signed out."] if "role" in values else []


def _of_leaving(ids: Sequence[uuid.UUID]) -> Iterator[str]:
    sessions = db.session.scalar(live_of(*ids)) or 0
    devices = number_of(sessions, "device")
    yield (
        f"They are signed out on {devices} at once and can no longer sign in."
        if sessions
        else "They can no longer sign in."
    )
    yield from _of_tokens(ids)
    yield from _of_administrators(ids)


def _of_returning(ids: Sequence[uuid.UUID]) -> Iterator[str]:
    yield "They can sign in again, with the same passwords."
    for role, sentence in RETURNING.items():
        if many := _count(ids, User.role == role):
            yield sentence.format(f"{many:,}")


def _of_moving(ids: Sequence[uuid.UUID]) -> Iterator[str]:
    yield "Administrators of their former organizations no longer see them."
    for linked in links_of(User.__tablename__, *ids):
        yield f"They leave {linked}."
    yield from _of_tokens(ids)
    yield from _of_administrators(ids)


def _of_tokens(ids: Sequence[uuid.UUID]) -> Iterator[str]:
    if tokens := db.session.scalar(api_tokens_in_use(*ids)):
        yield f"{number_of(tokens, 'API token')} {'stops' if tokens == 1 else 'stop'} working permanently."


def _of_administrators(ids: Sequence[uuid.UUID]) -> Iterator[str]:
    """Organizations that lose their last active administrators."""
    other = aliased(User)
    able = other.role == Role.ADMIN, other.is_active, not_(among(other.id, ids))
    stays = select(literal(1)).where(other.organization_id == User.organization_id, *able).exists()
    lost = select(func.count(User.organization_id.distinct())).where(
        among(User.id, ids), User.role == Role.ADMIN, tabs.ACCEPTED, not_(stays)
    )
    if many := db.session.scalar(lost):
        has = "has" if many == 1 else "have"
        yield f"{number_of(many, 'organization')} then {has} no active administrator to manage the people there."


def _count(ids: Sequence[uuid.UUID], *conditions: ColumnExpressionArgument[bool]) -> int:
    counted = select(func.count(User.id)).where(among(User.id, ids), *conditions)
    return db.session.scalar(counted, execution_options={"with_deleted": True}) or 0
