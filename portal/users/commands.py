"""How do people come to be, change, go and come back? Each function is one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from portal.core import history
from portal.core.actor import SYSTEM, Role, current_actor
from portal.core.clock import now
from portal.core.db import acting_as, command, db, locked, was_made
from portal.core.errors import Conflict, NotAllowed, Stale
from portal.core.policy import allows, grantable_roles
from portal.core.throttle import Counter
from portal.mail.commands import send_later
from portal.organizations.models import Organization
from portal.tokens.commands import end_families, revoke_all
from portal.users import passwords, queries
from portal.users.addresses import Uncounted, counting
from portal.users.clashes import asking_for, check_free
from portal.users.models import User
from portal.users.permissions import USERS_ANY_TENANT

LAST_SUPER_ADMIN = "This is the last super administrator who can sign in. Make somebody else one first."
OWN_ACCESS = "You can't change your own {}. Ask another administrator."
WAITING = ("pending", "expired", "revoked")  # for an invitation to be accepted
KILLS_LINKS = {"email", "role", "organization_id"}  # see users/links.py
PROTECTED = {"role": "role", "is_active": "access", "organization_id": "organization"}


def create_user(
    values: Mapping[str, Any], *, row_id: uuid.UUID, anew: bool = False, password: str | None = None
) -> uuid.UUID:
    """Create a person, who is invited to choose a password unless one is given, or they may not sign in yet.

    The same `row_id` again leads to the same person, whose id it is. Conflict on `email` where the address is in use
    or, unless `anew`, was a deleted person's; on `organization_id` where that is not a living one; NotAllowed for a
    role that the actor may not give.
    """
    hashed = passwords.hash_password(password) if password else None

    def make() -> None:
        try:
            _create(values, row_id, hashed, anew=anew)
        except Conflict:
            if not was_made(User, row_id):
                raise

    asking_for(values["email"], make)
    return row_id


@command
def _create(values: Mapping[str, Any], row_id: uuid.UUID, hashed: str | None, *, anew: bool) -> None:
    actor = current_actor()
    organization_id = _house(values.get("organization_id") if actor.is_unlimited else actor.organization_id)
    role = values.get("role") or Role.USER
    if role not in grantable_roles(actor):
        raise NotAllowed
    twin = (
        None
        if anew
        else db.session.scalar(queries.deleted_by_email(values["email"]), execution_options={"with_deleted": True})
    )
    if twin is not None and twin.id != row_id:
        raise Conflict("email", f"{twin.name} had this address and was deleted.", deleted_id=twin.id)
    user = User(**{**values, "organization_id": organization_id, "role": role})
    user.id, user.password = row_id, hashed
    db.session.add(user)
    if hashed is None:
        user.invited_at = now()
        _send_if_active(user, "invitation")


def _send_if_active(user: User, kind: str) -> None:
    if user.is_active is not False:  # None before the default is made
        send_later(kind, user.id)


def update_user(user_id: uuid.UUID, version: int, values: Mapping[str, Any], counter: Counter | None = None) -> User:
    """Change a person; another address is asked for, and counts once it is confirmed (see users/addresses.py).

    Missing, Stale where the row is newer than `version`, Conflict, NotAllowed; Throttled where `counter`, of letters to
    this person, is full.
    """
    email = values.get("email")
    if email is not None and db.session.scalar(queries.by_email(email).where(User.id == user_id)):
        email = None

    def change() -> User:
        if email is not None:
            check_free(email)
        return counting(counter, lambda counted: _update(user_id, version, values, counted=counted))

    return asking_for(email, change)


@command
def _update(user_id: uuid.UUID, version: int, values: Mapping[str, Any], *, counted: bool) -> User:
    user = locked(queries.by_id(user_id))
    if user.version != version:
        raise Stale(user)
    changes = {name: value for name, value in values.items() if getattr(user, name) != value}
    if "email" in changes and user.invitation in WAITING:
        changes["email_verified"] = False  # accepting the invitation, which goes there anew, confirms it
    elif changes.get("email") == user.pending_email:
        changes.pop("email", None)
    elif "email" in changes:
        changes["pending_email"] = changes.pop("email")
    _change(user, changes, counted=counted)
    return user


def _change(user: User, changes: Mapping[str, Any], *, counted: bool) -> None:
    _check_changes(user, changes)
    for name, value in changes.items():
        setattr(user, name, value)
    is_waiting = user.invitation in WAITING and user.invitation != "revoked"
    is_anew = is_waiting and (not KILLS_LINKS.isdisjoint(changes) or bool(changes.get("is_active")))
    if "email" in changes:
        user.pending_email = None
    if is_anew:
        user.invited_at = now()
    link = "invitation" if is_anew else "verification" if _is_to_confirm(user, changes) else None
    if not counted and ("email" in changes or (link and user.is_active)):
        raise Uncounted
    if "email" in changes:
        send_later("email_changed", user.id)
    if link:
        _send_if_active(user, link)
    if not user.is_active:
        revoke_all(user.id)
    if {"role", "organization_id"} & changes.keys():
        end_families(user.id, has_moved="organization_id" in changes)


def _is_to_confirm(user: User, changes: Mapping[str, Any]) -> bool:
    """Whether a link is due: to an address that was asked for, now or while nobody could use a link."""
    if "email" in changes:
        return not user.email_verified
    return user.pending_email is not None and bool({"pending_email", "is_active"} & changes.keys())


def _check_changes(user: User, changes: Mapping[str, Any]) -> None:
    actor = current_actor()
    for name, word in PROTECTED.items():
        if name in changes and user.id == actor.id:
            raise Conflict(name, OWN_ACCESS.format(word))
    if "role" in changes and changes["role"] not in grantable_roles(actor):
        raise NotAllowed
    if "organization_id" in changes:
        if not allows(actor, USERS_ANY_TENANT):
            raise NotAllowed
        _house(changes["organization_id"])
    if "role" in changes or changes.get("is_active") is False:
        keep_a_super_admin(user)


def set_active(user_id: uuid.UUID, *, is_active: bool, counter: Counter | None = None) -> User:
    """Let a person sign in, or no more: then every sign-in ends at once. Throttled where letters are due, too many."""
    return counting(counter, lambda counted: _set_active(user_id, is_active=is_active, counted=counted))


@command
def _set_active(user_id: uuid.UUID, *, is_active: bool, counted: bool) -> User:
    user = locked(queries.by_id(user_id))
    if user.is_active != is_active:
        _change(user, {"is_active": is_active}, counted=counted)
    return user


@command
def delete_user(user_id: uuid.UUID) -> User:
    """Soft-delete a person; every sign-in ends at once, and the address is free again."""
    user = locked(queries.by_id(user_id))
    _delete(user, now())
    return user


def _delete(user: User, at: datetime) -> None:
    if user.id == current_actor().id:
        raise Conflict(None, "You can't delete yourself. Ask another administrator.")
    keep_a_super_admin(user)
    user.deleted_at = at
    revoke_all(user.id)


def restore_user(user_id: uuid.UUID) -> User:
    """Bring a deleted person back. Conflict where the address is somebody else's now or the organization is deleted."""
    return asking_for(_wanted(user_id, {"deleted_at": None}), lambda: _restore(user_id))


@command
def _restore(user_id: uuid.UUID) -> User:
    user = locked(queries.by_id(user_id), with_deleted=True)
    if user.is_deleted:
        _take_back(user)
    return user


def _take_back(user: User) -> None:
    _house(user.organization_id)
    user.deleted_at = None


def undo_user(user_id: uuid.UUID, version: int, counter: Counter | None = None) -> User:
    """Undo the act that made this version of a person, under the rules for acts of that kind.

    Missing, Conflict, NotAllowed, Throttled; history.Superseded where somebody changed the same since.
    """
    wanted = _wanted(user_id, history.before(User, user_id, version))
    return asking_for(wanted, lambda: counting(counter, lambda counted: _undo(user_id, version, counted=counted)))


@command
def _undo(user_id: uuid.UUID, version: int, *, counted: bool) -> User:
    user = locked(queries.by_id(user_id), with_deleted=True)
    values = history.undoing(user, version)
    if "deleted_at" not in values and user.is_deleted:
        raise Conflict(None, f"{user.name} is deleted. Restore the person first.")
    if values.get("email", user.email) != user.email:
        values.setdefault("email_verified", bool(history.held(user, version, "email_verified")))
    if "deleted_at" in values:
        at = values.pop("deleted_at")
        if at:
            _delete(user, at)
        else:
            _take_back(user)
    _change(user, values, counted=counted)
    return user


def _wanted(user_id: uuid.UUID, values: Mapping[str, Any]) -> str | None:
    """The address that a row takes if these values are restored: a former one, or its own if the row is restored."""
    if "email" in values or values.get("deleted_at", now()) is not None:
        return values.get("email")
    user = db.session.scalar(queries.by_id(user_id), execution_options={"with_deleted": True})
    return user.email if user else None


def set_password(user_id: uuid.UUID, password: str, *, temporary: bool = False) -> User:
    """Set a password; a temporary one is to be changed at the next sign-in. Every sign-in ends."""
    return _set_password(user_id, passwords.hash_password(password), temporary=temporary)


@command
def _set_password(user_id: uuid.UUID, hashed: str, *, temporary: bool) -> User:
    user = locked(queries.by_id(user_id))
    user.password, user.must_change_password = hashed, temporary
    if user.invitation in WAITING:
        user.accepted_at = now()
    revoke_all(user.id)
    send_later("password_changed", user.id)
    return user


def stored_password(user_id: uuid.UUID) -> str | None:
    """The hash, for checking. The only reader besides the sign-in: people themselves may not read it."""
    with acting_as(SYSTEM):
        return db.session.scalar(select(User.password).where(User.id == user_id))


@command
def rehash(user_id: uuid.UUID, former: str, hashed: str) -> None:
    """Replace a hash that was made with less care, unless it was changed meanwhile."""
    statement = update(User).where(User.id == user_id, User.password == former).values(password=hashed)
    db.session.execute(statement, execution_options={"synchronize_session": False})


@command
def update_profile(user_id: uuid.UUID, values: Mapping[str, Any]) -> User:
    """Change a person's own names and time zone."""
    user = locked(queries.by_id(user_id))
    for name, value in values.items():
        setattr(user, name, value or None)
    return user


def keep_a_super_admin(*leaving: User) -> None:
    """Conflict if nobody with every right could sign in without these. Locks them all, so that two can't go at once."""
    if not any(user.role is Role.SUPER_ADMIN for user in leaving):
        return
    db.session.execute(queries.super_admins().with_for_update()).all()  # waits; only then is the answer of now
    able = set(db.session.scalars(queries.active_super_admins()))
    if able and not able - {user.id for user in leaving}:
        raise Conflict(None, LAST_SUPER_ADMIN)


def _house(organization_id: uuid.UUID | None) -> uuid.UUID | None:
    """A living organization, its row locked so that it can't be deleted meanwhile; None stays None."""
    if organization_id is None:
        return None
    wanted = select(Organization.id).where(Organization.id == organization_id).with_for_update(read=True)
    found = db.session.scalar(wanted)
    if found is None:
        raise Conflict("organization_id", "This organization doesn't exist or is deleted.")
    return found
