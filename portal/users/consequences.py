"""Consequences of a change for a person and others, as sentences shown before it is made."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from portal.core.actor import Role, current_actor
from portal.core.counts import number_of
from portal.core.db import db
from portal.core.email_addresses import readable_email
from portal.core.policy import allows, grantable_roles
from portal.organizations.models import Organization
from portal.resources.relation import links_of
from portal.tokens.queries import api_tokens_in_use, live_of
from portal.users import queries
from portal.users.forms import UserForm
from portal.users.models import User
from portal.users.permissions import USERS_ANY_TENANT

LAST_ADMIN = "This is the organization's last active administrator. Afterwards, nobody there can manage its people."
EVERYTHING = "{} becomes a super admin, with full access to every organization, every person and the data browser."
EVERYTHING_AGAIN = (
    "{} can sign in again as a super admin, with full access to every organization, every person and the data browser."
)
ADMINISTERS = "{} becomes an administrator of {}, and can manage its people and its name."
ADMINISTERS_AGAIN = "{} can sign in again as an administrator of {}, and manage its people and its name."
ADMINISTERS_NOBODY = "{} becomes an administrator, but belongs to no organization, so there is nobody to manage."
NO_SUPER_ADMIN = "{} is no longer a super admin, and loses access to every organization and the data browser."
NO_ADMIN = "{} is no longer an administrator, and can only use their own account."
UNSEEN = "Administrators of {} no longer see {}."
ASK_LATER = "After that, a new link can be requested on the sign-in page."
HIDDEN = "Super admins are hidden from the administrators of {}."
PROGRAMS_SIGNED_OUT = "Apps that are signed in as {} are signed out."
TOKENS_END = "The API tokens of {} ({}) stop working permanently."
UNMAILED = "No email is sent because the account is deactivated."


def of_leaving(user: User, act: str) -> list[str]:
    """Consequences of deleting or deactivating a person."""
    sessions = db.session.scalar(live_of(user.id)) or 0
    devices = number_of(sessions, "device")
    signed_out = f"{user.name} is signed out on {devices} at once and can no longer sign in."
    sentences = [signed_out if sessions else f"{user.name} can no longer sign in."]
    sentences += _of_tokens(user)
    if _is_last_admin(user):
        sentences.append(LAST_ADMIN)
    kept = (
        "can be restored from the list of deleted people" if act == "delete" else "is kept and can be activated again"
    )
    return [*sentences, f"The record {kept}."]


def of_purging(user: User) -> list[str]:
    """Consequences of removing a deleted person permanently."""
    return [
        f"{user.name} is removed, with all sessions, tokens, second factors and team memberships.",
        f"{readable_email(user.email)} can be used by somebody else.",
    ]


def of_reset(user: User, *, is_mailed: bool) -> list[str]:
    """Consequences of resetting a person's password."""
    ways = [
        f"A link to choose a new one is emailed to {readable_email(user.email)}. It works for 15 minutes.",
        ASK_LATER,
    ]
    if not user.is_active:
        ways = [UNMAILED]
    elif not is_mailed:
        ways = ["Email is not set up, so no link to choose a new one can be sent."]
    return ["The current password stops working, and every device is signed out.", *_of_tokens(user), *ways]


def of_mfa_reset(user: User) -> list[str]:
    """Consequences of resetting a person's two-factor authentication."""
    return [
        "The app, passkeys and recovery codes stop working, and every device is signed out.",
        f"The password alone is then enough to sign in, so make sure that {user.name} requested this.",
        f"{user.name} is notified by email.",
    ]


def of_creating(form: UserForm) -> list[str]:
    """Consequences of creating a super admin; empty for other roles."""
    values = form.values()
    return _of_granting(_name(values), form.organization) if values["role"] is Role.SUPER_ADMIN else []


def of_editing(form: UserForm, user: User, home: Organization | None) -> list[str]:
    """Consequences of moving a person, changing their role, or letting an administrator sign in again."""
    return _of_changing(user, form.values(), home, form.organization)


def of_undoing(user: User, values: Mapping[str, Any]) -> list[str]:
    """Consequences of undoing a change. Empty for actors without the permission, who are refused anyway."""
    may_move = "organization_id" not in values or allows(current_actor(), USERS_ANY_TENANT)
    if not may_move or values.get("role", Role.USER) not in grantable_roles(current_actor()):
        return []
    home, back = (_organization(one) for one in (user.organization_id, values.get("organization_id")))
    return _of_changing(user, values, home, back)


def of_returning(user: User, organization: Organization | None) -> list[str]:
    """Consequences of restoring or activating a person: those of granting their role."""
    if user.role is Role.SUPER_ADMIN:
        return [EVERYTHING_AGAIN.format(user.name)]
    if user.role is Role.ADMIN and organization:
        return [ADMINISTERS_AGAIN.format(user.name, organization.name)]
    return []


def _organization(organization_id: uuid.UUID | None) -> Organization | None:
    found = select(Organization).where(Organization.id == organization_id)
    return db.session.scalar(found, execution_options={"with_deleted": True}) if organization_id else None


def _of_changing(
    user: User, values: Mapping[str, Any], home: Organization | None, joined: Organization | None
) -> list[str]:
    if user.id == current_actor().id:
        return []  # people can't change their own access
    role = values.get("role", user.role)
    organization = joined if "organization_id" in values else home
    moved = values.get("organization_id", user.organization_id) != user.organization_id
    sentences = _of_moving(user, home, joined, is_managed=role is not Role.SUPER_ADMIN) if moved else []
    if role is not user.role:
        sentences += _of_role(user, role, organization)
        if not moved and _is_last_admin(user):
            sentences.append(LAST_ADMIN)
    elif _returns(user, values):
        sentences += of_returning(user, organization)
    if moved or role is not user.role:
        sentences.append(PROGRAMS_SIGNED_OUT.format(user.name))
    return sentences


def _returns(user: User, values: Mapping[str, Any]) -> bool:
    """Whether these values restore or activate a person."""
    is_restored = user.is_deleted and values.get("deleted_at", user.deleted_at) is None
    return is_restored or (not user.is_active and bool(values.get("is_active")))


def _of_role(user: User, role: Role, organization: Organization | None) -> list[str]:
    if role is Role.SUPER_ADMIN:
        return _of_granting(user.name, organization)
    sentences = [NO_SUPER_ADMIN.format(user.name)] if user.role is Role.SUPER_ADMIN else []
    if role is Role.USER:
        return sentences or [NO_ADMIN.format(user.name)]
    administers = ADMINISTERS.format(user.name, organization.name) if organization else None
    return [*sentences, administers or ADMINISTERS_NOBODY.format(user.name)]


def _of_granting(name: str, organization: Organization | None) -> list[str]:
    return [EVERYTHING.format(name), *([HIDDEN.format(organization.name)] if organization else [])]


def _of_moving(user: User, left: Organization | None, joined: Organization | None, *, is_managed: bool) -> list[str]:
    name, sentences = user.name, []
    if left and joined:
        sentences += [f"{name} moves from {left.name} to {joined.name}."]
    elif joined:
        sentences += [f"{name} joins {joined.name}."]
    elif left:
        sentences += [f"{name} leaves {left.name} and belongs to no organization."]
    if joined and is_managed:
        sentences += [f"Administrators of {joined.name} can manage {name}."]
    if left:
        sentences += [UNSEEN.format(left.name, name)]
    sentences += [f"{name} leaves {linked}." for linked in links_of(User.__tablename__, user.id)]
    if _is_last_admin(user):
        sentences += [LAST_ADMIN]
    return [*sentences, *_of_tokens(user)]


def _of_tokens(user: User) -> list[str]:
    tokens = db.session.scalar(api_tokens_in_use(user.id))
    return [TOKENS_END.format(user.name, tokens)] if tokens else []


def _is_last_admin(user: User) -> bool:
    if user.role is not Role.ADMIN or not user.organization_id:
        return False
    return not db.session.scalar(queries.admins_of(user.organization_id, besides=user.id))


def _name(values: dict[str, Any]) -> str:
    return User(**{name: values[name] for name in ("first_name", "last_name", "email")}).name
