"""The tabs of the list of people, and how each can be sorted."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, true

from portal.core.actor import Role, current_actor
from portal.core.cursors import moment, plain
from portal.core.grouping import Group, present, yes_or_no
from portal.core.listing import Sort, Tab
from portal.organizations.models import Organization
from portal.organizations.sorting import by_organization
from portal.users.filters import last_sign_in
from portal.users.models import User

INVITED = and_(
    User.is_active, User.invited_at.is_not(None), User.accepted_at.is_(None)
)  # without a password until accepted
ACCEPTED = and_(User.is_active, or_(User.invited_at.is_(None), User.accepted_at.is_not(None)))
# Reads the few deleted organizations once per statement. NOT EXISTS would become a join, planned with misleading
# statistics.
IN_NO_DELETED_ORGANIZATION = or_(
    User.organization_id.is_(None),
    User.organization_id.not_in(Organization.deleted_keys()),
)
NAME = Sort(User.sort_name.collate("C"))
ZONE = User.time_zone.collate("C")


def can_sign_in() -> ColumnElement[bool]:
    """Active people, for all lists and counts: not deactivated, not just invited, not in a deleted organization."""
    return and_(ACCEPTED, _in_no_deleted_organization(current_actor().is_unlimited))


def _in_no_deleted_organization(is_unlimited: bool) -> ColumnElement[bool]:
    """Not checked inside a tenant, because nobody can sign in to a deleted organization."""
    return IN_NO_DELETED_ORGANIZATION if is_unlimited else true()


def tabs() -> dict[str, Tab]:
    """The tabs of the list. People of deleted organizations have a tab of their own, if the actor can see them."""
    return _tabs(current_actor().is_unlimited)


@cache
def _tabs(is_unlimited: bool) -> dict[str, Tab]:
    able = _in_no_deleted_organization(is_unlimited)
    homes = {name: _by_organization(name) if is_unlimited else {} for name in ("active", "deactivated", "deleted", "")}
    pending = {**_sorts(is_unlimited), **_invitations(), **homes["active"]}
    live = {**_sorts(is_unlimited), "last_sign_in_at": Sort(last_sign_in, moment)}
    starts = Sort(User.activates_on, groups=present(User.activates_on, User.created_at, date.fromisoformat))
    off = {**live, "activates_on": starts}  # nobody else has a first day, so reading them in its order would be in vain
    gone = {"deleted_at": Sort(User.deleted_at, moment), "name": NAME, **_kinds(User.deleted_at, is_unlimited)}
    views = {
        "active": Tab("Active", and_(ACCEPTED, able), live | homes["active"], "-created_at", estimated=ACCEPTED),
        "invited": Tab("Invited", and_(INVITED, able), pending, "-created_at", estimated=INVITED, is_small=True),
        "deactivated": Tab("Deactivated", ~User.is_active, off | homes["deactivated"], "-created_at"),
        "deleted": Tab(
            "Deleted", User.deleted_at.is_not(None), gone | homes["deleted"], "-deleted_at", with_deleted=True
        ),
    }
    if is_unlimited:
        homeless = select(Organization.id).where(Organization.deleted_at.is_not(None))
        locked_out = and_(User.deleted_at.is_(None), User.organization_id.in_(homeless))
        label = "Organization deleted"
        views["organization-deleted"] = Tab(label, locked_out, off | homes[""], "-created_at", with_deleted=True)
    return views


def _sorts(is_unlimited: bool) -> dict[str, Sort]:
    """Those of people who aren't deleted."""
    return {
        "name": NAME,
        "created_at": Sort(User.created_at, moment),
        "updated_at": Sort(User.updated_at, moment),
        "expires_on": Sort(User.expires_on, groups=present(User.expires_on, User.created_at, date.fromisoformat)),
        "time_zone": Sort(User.time_zone, groups=present(User.time_zone, User.created_at, plain, ZONE)),
        **_kinds(User.created_at, is_unlimited),
    }


def _kinds(newest: Any, is_unlimited: bool) -> dict[str, Sort]:
    """By columns with few values, newest first among people with the same one."""
    roles = (Role.SUPER_ADMIN, Role.ADMIN, Role.USER) if is_unlimited else (Role.ADMIN, Role.USER)
    return {
        "role": Sort(User.role, groups=tuple(Group(User.role == role, newest) for role in roles)),
        "two_factor": Sort(User.has_two_factor, groups=yes_or_no(User.has_two_factor, newest)),
        "email_verified": Sort(User.email_verified, groups=yes_or_no(User.email_verified, newest)),
    }


def _invitations() -> dict[str, Sort]:
    """The newest ones are pending, older ones have expired; then those that were revoked."""
    states = (User.revoked_at.is_(None), User.revoked_at.is_not(None))
    return {
        "status": Sort(User.revoked_at, groups=tuple(Group(one, User.invited_at) for one in states)),
        "invited_at": Sort(User.invited_at, moment),
    }


def _by_organization(tab: str) -> dict[str, Sort]:
    """By the names of organizations, newest first in each; then people of deleted organizations and without one."""
    newest = User.deleted_at if tab == "deleted" else User.created_at
    known, deleted = by_organization(User.organization_id, newest)
    without = Group(User.organization_id.is_(None), newest)
    groups = {"active": (known, without), "": (deleted,)}.get(tab, (known, deleted, without))
    return {"organization_name": Sort(User.organization_id, groups=groups)}
