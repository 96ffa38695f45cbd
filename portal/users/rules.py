"""The password rule for a person, the same on every page and on the command line."""

from __future__ import annotations

import uuid
from collections.abc import Set
from dataclasses import dataclass

from sqlalchemy import select

from portal.core.actor import SYSTEM
from portal.core.db import acting_as, db
from portal.core.errors import Missing
from portal.mfa.queries import has_two_factor
from portal.organizations.models import Organization
from portal.users.models import User, full_name
from portal.users.passwords import problem_of, shortest, words_about


@dataclass(frozen=True)
class PasswordRule:
    """A minimum length, and words about the person that a password must not mostly consist of."""

    minimum: int
    words: Set[str]

    def problem_of(self, password: str) -> str | None:
        """Why a password is not acceptable, as a message, or None."""
        return problem_of(password, self.minimum, self.words)


def rule_for(user_id: uuid.UUID) -> PasswordRule:
    """The rule for an existing person. Raises Missing."""
    has_one = has_two_factor(User.id).label("has_two_factor")
    names = (User.email, User.pending_email, User.first_name, User.last_name)
    organization_names = Organization.name.label("organization"), Organization.slug
    joined = select(*names, *organization_names, has_one, Organization.password_minimum).outerjoin(
        Organization, Organization.id == User.organization_id
    )
    with acting_as(SYSTEM):
        found = db.session.execute(joined.where(User.id == user_id)).first()
    if found is None:
        raise Missing
    *known, has_second, least = found
    words = words_about(*known, full_name(found.first_name, found.last_name, found.email))
    return PasswordRule(max(shortest(has_two_factor=has_second), least or 0), words)


def rule_for_new(*known: str | None, least: int = 0) -> PasswordRule:
    """The rule for a new person with these details, and their organization's minimum length."""
    return PasswordRule(max(shortest(has_two_factor=False), least), words_about(*known))
