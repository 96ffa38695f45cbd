"""Change many people at once, under the rules of users/commands.py."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Date, and_, case, cast, false, func, not_, null, or_, select, true

from portal.core import rate_limit
from portal.core.actor import SYSTEM, Role, current_actor
from portal.core.bulk import Refusal, among
from portal.core.clock import now
from portal.core.db import acting_as, db
from portal.core.errors import NotAllowed
from portal.core.policy import allows, grantable_roles
from portal.mail.commands import send_to_all_later
from portal.organizations.bulk import SettingInside
from portal.organizations.commands import lock_active
from portal.organizations.models import Organization
from portal.resources.bulk import BulkAction, Entry
from portal.resources.relation import unlink_all
from portal.tokens.commands import end_client_sessions, revoke_all
from portal.users import queries
from portal.users.bulk_consequences import of_many
from portal.users.clashes import is_outside, taken_elsewhere
from portal.users.commands import PROTECTED, users
from portal.users.models import SENSITIVE, User
from portal.users.permissions import USERS_ANY_TENANT, USERS_INVITE, USERS_WRITE
from portal.web.attempts import of_emails_to

OWN = "Your own account"
LAST = "The last super admins who can sign in"
ABOVE = "You can't grant this role"
TOO_MANY_EMAILS = "Too many emails in the last hour"
NO_INVITING = "Would be sent an invitation, which your organization's settings don't let you do"
TAKEN_ELSEWHERE = "The email address can't be used here"
GONE = "The organization is deleted"
BACKWARDS = "Last day of access: it is before the first day"
OUTSIDE = "The organization doesn't allow this email domain"
ACCESS = {*PROTECTED, "deleted_at"}  # what people can't change for themselves
WAITING = and_(User.invited_at.is_not(None), User.accepted_at.is_(None), User.revoked_at.is_(None))


class SettingPeople(SettingInside):
    """Activate, deactivate, move, delete or restore people, or change their role."""

    taken = "Another person has the email address"
    one_by_one = frozenset({"email", "email_verified", "pending_email", "password", "must_change_password"})
    full: Sequence[uuid.UUID] = ()  # people who got too many emails
    beside: Mapping[str, Any] = {}  # what changes together with this one set
    elsewhere: Sequence[uuid.UUID] = ()  # deleted people whose address is in use in another organization

    def unique_of(self, row: Any) -> Sequence[Any]:
        return (func.lower(row.email),)

    def refusals(self, ids: Sequence[uuid.UUID]) -> Sequence[Refusal]:
        actor, values = current_actor(), self.values
        rules = [Refusal(OWN, User.id == actor.id)] if ACCESS & values.keys() else []
        if "role" in values:
            rules.append(Refusal(ABOVE, self.value("role").not_in(grantable_roles(actor))))
        if "organization_id" in values:
            if not allows(actor, USERS_ANY_TENANT):
                raise NotAllowed
            home = self.value("organization_id")
            rules += [Refusal(GONE, home.in_(Organization.deleted_keys())), Refusal(OUTSIDE, is_outside(home))]
        rules += super().refusals(ids)
        if not allows(actor, USERS_INVITE):
            rules.append(Refusal(NO_INVITING, self._is_invited()))
        rules += [Refusal(LAST, self._is_last_super_admin(ids))]
        if {"activates_on", "expires_on"} & values.keys():
            rules.append(Refusal(BACKWARDS, self._ends_before_beginning()))
        return [*rules, Refusal(TOO_MANY_EMAILS, among(User.id, self.full)),
                Refusal(TAKEN_ELSEWHERE, among(User.id, self.elsewhere))]  # fmt: skip

    def _is_last_super_admin(self, ids: Sequence[uuid.UUID]) -> ColumnElement[bool]:
        able = queries.active_super_admins()
        others = able.where(not_(among(User.id, ids)))
        return and_(self._leaves(), User.id.in_(able), not_(others.exists()))

    def _ends_before_beginning(self) -> ColumnElement[bool]:
        """Whether the last day would be before the first one, which activating cancels."""
        values = {**self.beside, **self.values}
        first, last = (values.get(name, getattr(User, name)) for name in ("activates_on", "expires_on"))
        is_backwards: ColumnElement[bool] = cast(last, Date) < cast(first, Date)
        return and_(not_(cast(values["is_active"], Boolean)), is_backwards) if "is_active" in values else is_backwards

    def _leaves(self) -> ColumnElement[bool]:
        """Whether a super admin loses access to everything."""
        is_lower = self.value("role") != Role.SUPER_ADMIN if "role" in self.values else false()
        is_off = not_(self.value("is_active")) if "is_active" in self.values else false()
        expires = self.value("expires_on").is_not(None) if "expires_on" in self.values else false()
        return true() if self.deletes else or_(is_lower, is_off, expires)

    def consequences(self, ids: Sequence[uuid.UUID]) -> list[str]:
        return of_many(ids, self.values)

    def is_sensitive(self, ids: Sequence[uuid.UUID]) -> bool:
        """Also giving access back to people who have access to more than their own account."""
        if self.deletes or not SENSITIVE.isdisjoint(self.values):
            return True
        returns = self.restores or self.values.get("is_active", False) is not False
        staff = select(User.id).where(among(User.id, ids), User.role != Role.USER).limit(1)
        return returns and db.session.scalar(staff, execution_options={"with_deleted": True}) is not None

    def prepare(self, ids: Sequence[uuid.UUID]) -> None:
        if self.restores:
            self.elsewhere = taken_elsewhere(ids)
        self.count_emails(ids)

    def count_emails(self, ids: Sequence[uuid.UUID], *, keeps_transaction: bool = False) -> None:
        """Count the emails that these people would get, to refuse the change of those who got too many."""
        mailed = [key for kind in ("invitation", "verification") for key in self._recipients(kind, ids)]
        self.full = too_many_emails(mailed, keeps_transaction=keeps_transaction)

    def lock(self, ids: Sequence[uuid.UUID]) -> None:
        super().lock(ids)
        if "organization_id" in self.values and not isinstance(self.values["organization_id"], ColumnElement):
            lock_active(self.values["organization_id"])
        leaving = select(User.id).where(among(User.id, ids), User.role == Role.SUPER_ADMIN, self._leaves()).limit(1)
        if db.session.scalar(leaving) is not None:
            db.session.execute(queries.super_admins().with_for_update()).all()

    def apply(self, ids: Sequence[uuid.UUID]) -> None:
        mailed = {kind: self._recipients(kind, ids) for kind in ("invitation", "verification")}
        moves = "organization_id" in self.values
        self.values: Mapping[str, Any] = {
            **self.values,
            "invited_at": case((self._is_invited_anew(), now()), else_=User.invited_at),
        }
        if "is_active" in self.values:  # activating cancels a first day, and a last day in the past
            is_on = self.value("is_active")
            is_past = and_(is_on, User.expires_on < now().date())
            first = self.value("activates_on") if "activates_on" in self.values else User.activates_on
            days = {"activates_on": case((or_(is_on, first <= now().date()), None), else_=first)}
            days["expires_on"] = case((is_past, None), else_=User.expires_on)
            self.values = {**self.values, **days}
        if moves:
            unlink_all(User.__tablename__, ids)
        super().apply(ids)
        for kind, recipients in mailed.items():
            if recipients:
                send_to_all_later(kind, recipients)
        if self.deletes or "is_active" in self.values:
            off = select(User.id).where(among(User.id, ids), or_(not_(User.is_active), User.deleted_at.is_not(None)))
            revoke_all(*db.session.scalars(off, execution_options={"with_deleted": True}))
        if moves or "role" in self.values:
            end_client_sessions(*ids, has_moved=moves)

    def _is_invited_anew(self) -> ColumnElement[bool]:
        if {"role", "organization_id"} & self.values.keys():
            return WAITING
        return and_(WAITING, self.value("is_active")) if "is_active" in self.values else false()

    def _is_invited(self) -> ColumnElement[bool]:
        """Whether a person is sent an invitation, now or on a first day that is set."""
        is_active = self.value("is_active") if "is_active" in self.values else User.is_active
        first = self.value("activates_on") if "activates_on" in self.values else null()
        later = and_(first.is_not(None), first.is_distinct_from(User.activates_on))
        return or_(and_(self._is_invited_anew(), is_active), and_(WAITING, later))

    def _recipients(self, kind: str, ids: Sequence[uuid.UUID]) -> Sequence[uuid.UUID]:
        """Who gets a new link: an invitation, or the confirmation of an address that was requested while inactive."""
        is_active = self.value("is_active") if "is_active" in self.values else User.is_active
        is_anew = self._is_invited_anew()
        to_confirm = and_(User.pending_email.is_not(None), not_(is_anew)) if "is_active" in self.values else false()
        wanted = is_anew if kind == "invitation" else to_confirm
        return db.session.scalars(select(User.id).where(among(User.id, ids), wanted, is_active)).all()


def too_many_emails(ids: Sequence[uuid.UUID], *, keeps_transaction: bool = False) -> Sequence[uuid.UUID]:
    """Count an email with a link to each of these people. Returns those who got too many, and must get none."""
    if not ids or current_actor() == SYSTEM:
        return ()
    counters = {key: of_emails_to(key) for key in ids}
    if not keeps_transaction:
        db.session.rollback()  # don't hold a connection while waiting for another
    with acting_as(SYSTEM):
        full = rate_limit.attempt_each(list(counters.values()))
    return [key for key, counter in counters.items() if counter.key in full]


def _setting(values: Mapping[str, Any], already: str) -> SettingPeople:
    return SettingPeople(users, values, already)


def _to_role(role: Role) -> BulkAction:
    return BulkAction(
        f"role-{role.name.lower().replace('_', '-')}",
        f"Change role to {role.label}",
        "shield",
        f"Change the role of {{}} to {role.label}",
        f"Role of {{}} changed to {role.label}.",
        USERS_WRITE if role is not Role.SUPER_ADMIN else USERS_ANY_TENANT,
        lambda _: _setting({"role": role}, "Has this role already"),
    )


ACTIONS = (
    BulkAction(
        "activate", "Activate", "check", "Activate {}", "{} activated.", USERS_WRITE,
        lambda _: _setting({"is_active": True}, "Already active"),
        is_first=True, tabs=("deactivated", "organization-deleted"),
    ),
    BulkAction(
        "deactivate", "Deactivate", "user-off", "Deactivate {}", "{} deactivated.", USERS_WRITE,
        lambda _: _setting({"is_active": False}, "Already deactivated"),
        is_first=True, tabs=("active", "invited", "organization-deleted"),
    ),
    *(_to_role(role) for role in Role),
    BulkAction(
        "move", "Move to organization", "building", "Move {} to {entry}", "{} moved to {entry}.", USERS_ANY_TENANT,
        lambda row: _setting({"organization_id": row.id if row else None}, "Already there"),
        entry=Entry("organizations", "another organization", none="no organization"),
    ),
)  # fmt: skip
