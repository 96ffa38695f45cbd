"""Change many organizations, or many rows of organizations, at once."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from portal.core.bulk import Refusal, Setting, among
from portal.core.counts import number_of
from portal.core.db import db
from portal.organizations.members import members
from portal.organizations.models import Organization
from portal.organizations.settings import LABELS


class SettingOrganizations(Setting):
    """Delete or restore organizations, or set their names back. Their settings have rules for single organizations."""

    taken = "Another organization has the URL name"
    one_by_one = frozenset({"slug", "inactive_days", "warning_days", *LABELS})

    def unique_of(self, row: Any) -> Sequence[Any]:
        return (row.slug,)

    def refusals(self, ids: Sequence[uuid.UUID]) -> Sequence[Refusal]:
        last = Refusal("Its super admins are the last who can sign in", members().has_last_super_admins(ids))
        return [*([last] if self.deletes else []), *super().refusals(ids)]

    def consequences(self, ids: Sequence[uuid.UUID]) -> list[str]:
        if not (self.deletes or self.restores):
            return []
        people = number_of(members().number_in(ids), "person", "people")
        if self.restores:
            return [f"{people} can sign in again, also on devices that were signed in before."]
        kept = "Their records are kept, and their email addresses stay reserved."
        return [f"{people} can no longer sign in.", kept, "The organizations can be restored with all their people."]

    def is_sensitive(self, ids: Sequence[uuid.UUID]) -> bool:
        return True

    def apply(self, ids: Sequence[uuid.UUID]) -> None:
        if self.deletes:
            members().before_delete(*ids)
        super().apply(ids)


class SettingInside(Setting):
    """Set values of rows that belong to an organization. They can't be restored while it is deleted."""

    def refusals(self, ids: Sequence[uuid.UUID]) -> Sequence[Refusal]:
        row: Any = self.model
        deleted = Refusal("The organization is deleted", row.tenant().in_(Organization.deleted_keys()))
        return [*super().refusals(ids), *([deleted] if self.restores else [])]

    def lock(self, ids: Sequence[uuid.UUID]) -> None:
        super().lock(ids)
        if self.restores:
            own = select(self.model.tenant()).where(among(self.model.id, ids))
            homes = select(Organization.id).where(Organization.id.in_(own)).order_by(Organization.id)
            db.session.execute(homes.with_for_update(read=True), execution_options={"with_deleted": True}).all()
