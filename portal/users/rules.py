"""Which password will one person's do? The same answer on every page, in letters and on the command line."""

from __future__ import annotations

import uuid
from collections.abc import Set
from dataclasses import dataclass

from sqlalchemy import select

from portal.core.actor import SYSTEM
from portal.core.db import acting_as, db
from portal.core.errors import Missing
from portal.factors.queries import has_second_factor
from portal.organizations.models import Organization
from portal.users.models import User, full_name
from portal.users.passwords import problem_of, shortest, words_about


@dataclass(frozen=True)
class PasswordRule:
    """So many characters, and not mostly these words: what others know of the person."""

    minimum: int
    words: Set[str]

    def problem_of(self, password: str) -> str | None:
        """Why a password won't do, in words; None where it will."""
        return problem_of(password, self.minimum, self.words)


def rule_for(user_id: uuid.UUID) -> PasswordRule:
    """The rule for somebody who exists. Missing."""
    has_one = has_second_factor(User.id).label("has_second_factor")
    names = (User.email, User.pending_email, User.first_name, User.last_name)
    house = Organization.name.label("house"), Organization.slug
    joined = select(*names, *house, has_one).outerjoin(Organization, Organization.id == User.organization_id)
    with acting_as(SYSTEM):
        found = db.session.execute(joined.where(User.id == user_id)).first()
    if found is None:
        raise Missing
    *known, has_second = found
    words = words_about(*known, full_name(found.first_name, found.last_name, found.email))
    return PasswordRule(shortest(has_second_factor=has_second), words)


def rule_for_new(*known: str | None) -> PasswordRule:
    """The rule for somebody who is to be made, of whom this is known."""
    return PasswordRule(shortest(has_second_factor=False), words_about(*known))
