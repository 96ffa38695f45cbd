"""Create, change, delete and restore people. Each public function is one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import select, update

from portal.core import history
from portal.core.actor import SYSTEM, Role, current_actor
from portal.core.clock import now
from portal.core.db import acting_as, command, db, locked
from portal.core.errors import Conflict, NotAllowed
from portal.core.policy import allows, grantable_roles
from portal.core.records import Records
from portal.mail.commands import send_later
from portal.organizations.commands import lock_active, organization_for
from portal.tokens.commands import end_client_sessions, revoke_all
from portal.users import passwords, queries
from portal.users.clashes import asking_for, check_free
from portal.users.email_changes import counting, must_be_counted
from portal.users.models import User
from portal.users.permissions import USERS, USERS_ANY_TENANT, USERS_INVITE
from portal.web.attempts import of_emails_to

LAST_SUPER_ADMIN = (
    "This is the last super administrator who can sign in. Make someone else a super administrator first."
)
OWN_ACCESS = "You can't change your own {}. Ask another administrator."
NO_INVITING = "This would send an invitation, and your organization's settings don't let you invite people."
WAITING = ("pending", "expired", "revoked")  # for an invitation to be accepted
KILLS_LINKS = {"email", "role", "organization_id"}  # see users/links.py
PROTECTED = {
    "role": "role",
    "is_active": "access",
    "organization_id": "organization",
    "activates_on": "first day of access",
    "expires_on": "expiry",
}

R = TypeVar("R")


class Users(Records[User]):
    """Changes to people. Checks of email addresses and emails that changes send are limited; they raise RateLimited."""

    model = User
    noun = "person"
    permissions = USERS
    unique = ("email",)

    def create(
        self,
        values: Mapping[str, Any],
        *,
        row_id: uuid.UUID,
        anew: bool = False,
        password: str | None = None,
        **options: Any,
    ) -> uuid.UUID:
        """Create a person. Invite them to choose a password, unless one is given or they are deactivated.

        A second call with the same `row_id` returns the same person. Raises Conflict on `email` if the address is in
        use or, unless `anew`, belonged to a deleted person; Conflict on `organization_id` if there is no such active
        organization; NotAllowed for a role that the actor may not grant.
        """
        hashed = passwords.hash_password(password) if password else None
        return super().create(values, row_id=row_id, anew=anew, hashed=hashed, **options)

    def update(self, row_id: uuid.UUID, version: int, values: Mapping[str, Any]) -> User:
        """Change a person. Another email address takes effect once it is confirmed (see users/email_changes.py)."""
        return self._asking(row_id, values, lambda: self._update(row_id, version, values), takes_it_later=True)

    def set_active(self, row_id: uuid.UUID, *, is_active: bool) -> User:
        """Activate or deactivate a person. Deactivating ends every session at once."""
        return self.set_value(row_id, "is_active", is_active)

    def set_value(self, row_id: uuid.UUID, name: str, value: Any) -> User:
        """Set one value, whatever the version."""
        return self.around(row_id, {}, lambda: self._set_value(row_id, name, value))

    @command
    def _set_value(self, row_id: uuid.UUID, name: str, value: Any) -> User:
        user = locked(self.by_id(row_id))
        if getattr(user, name) != value:
            self.change(user, {name: value})
        return user

    def around(self, row_id: uuid.UUID, values: Mapping[str, Any], act: Callable[[], R]) -> R:
        return self._asking(row_id, values, act)

    def _asking(
        self, row_id: uuid.UUID, values: Mapping[str, Any], act: Callable[[], R], *, takes_it_later: bool = False
    ) -> R:
        email = values.get("email")
        if email is not None and db.session.scalar(queries.by_email(email).where(User.id == row_id)):
            email = None  # their own

        def change() -> R:
            if email is not None and takes_it_later:
                check_free(email)
            return counting(None if current_actor() == SYSTEM else of_emails_to(row_id), act)

        return asking_for(email, change)

    def insert(self, values: Mapping[str, Any], row_id: uuid.UUID, **options: Any) -> None:
        actor = current_actor()
        organization_id = organization_for(values)
        role = values.get("role") or Role.USER
        if role not in grantable_roles(actor):
            raise NotAllowed
        if not options["anew"]:
            _offer_to_restore(values["email"], row_id)
        user = User(**{**values, "organization_id": organization_id, "role": role, **_first_day(values)})
        user.id, user.password = row_id, options["hashed"]
        db.session.add(user)
        if user.password is None:
            user.invited_at = now()
            _send_if_active(user, "invitation")

    def edited(self, row: User, changes: dict[str, Any]) -> dict[str, Any]:
        """Until the invitation is accepted, a new address takes effect at once, and the invitation goes there."""
        if "email" in changes and row.invitation in WAITING:
            changes["email_verified"] = False
        elif changes.get("email") == row.pending_email:
            changes.pop("email", None)
        elif "email" in changes:
            changes["pending_email"] = changes.pop("email")
        return changes

    def undone(self, row: User, version: int, values: dict[str, Any]) -> dict[str, Any]:
        if values.get("email", row.email) != row.email:
            values.setdefault("email_verified", bool(history.held(row, version, "email_verified")))
        return values

    def change(self, row: User, changes: Mapping[str, Any]) -> None:
        changes = _scheduled(row, changes)
        _check_changes(row, changes)
        begins_later = changes.get("activates_on") not in (None, row.activates_on)
        super().change(row, changes)
        is_waiting = row.invitation in WAITING and row.invitation != "revoked"
        is_anew = is_waiting and (not KILLS_LINKS.isdisjoint(changes) or bool(changes.get("is_active")))
        is_invited = is_anew and (row.is_active or "email" in changes) or is_waiting and begins_later
        if is_invited and not allows(current_actor(), USERS_INVITE):
            raise Conflict("email" if "email" in changes else None, NO_INVITING)
        if "email" in changes:
            row.pending_email = None
        if is_anew:
            row.invited_at = now()
        link = "invitation" if is_anew else "verification" if _is_to_confirm(row, changes) else None
        if "email" in changes or (link and row.is_active):
            must_be_counted()
        if "email" in changes:
            send_later("email_changed", row.id)
        if link:
            _send_if_active(row, link)
        if not row.is_active:
            revoke_all(row.id)
        if {"role", "organization_id"} & changes.keys():
            end_client_sessions(row.id, has_moved="organization_id" in changes)

    def remove(self, row: User, at: datetime) -> None:
        keep_oneself(row)
        keep_a_super_admin(row)
        super().remove(row, at)
        revoke_all(row.id)

    def bring_back(self, row: User) -> None:
        lock_active(row.organization_id)
        super().bring_back(row)


users = Users()


def _offer_to_restore(email: str, row_id: uuid.UUID) -> None:
    """Raise Conflict if a deleted person had this address, so that they can be restored instead."""
    twin = db.session.scalar(queries.deleted_by_email(email), execution_options={"with_deleted": True})
    if twin is not None and twin.id != row_id:
        raise Conflict("email", f"{twin.name} had this address and was deleted.", deleted_id=twin.id)


def _send_if_active(user: User, kind: str) -> None:
    if user.is_active is not False:  # None until the default is set
        send_later(kind, user.id)


def _scheduled(user: User, changes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Deactivate people until their first day of access. Activating cancels that day, and a last day in the past."""
    if {"activates_on", "expires_on"} & changes.keys():
        days = {name: changes.get(name, getattr(user, name)) for name in ("activates_on", "expires_on")}
        changes = {**changes, **_first_day(days)}
    if changes.get("is_active"):
        passed: dict[str, Any] = {"activates_on": None} if user.activates_on else {}
        passed |= {"expires_on": None} if user.is_expired else {}
        return {**passed, **changes}
    return changes


def _first_day(values: Mapping[str, Any]) -> dict[str, Any]:
    """A first day in the future keeps the account deactivated; one that has come is dropped."""
    first, last = values.get("activates_on"), values.get("expires_on")
    if not first:
        return {}
    if last and last < first:
        raise Conflict("expires_on", "The last day of access can't be before the first day.")
    return {"is_active": False, "activates_on": first} if first > now().date() else {"activates_on": None}


def _is_to_confirm(user: User, changes: Mapping[str, Any]) -> bool:
    """Whether to send a confirmation link: for a new address, or one requested while links didn't work."""
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
        lock_active(changes["organization_id"])
    if "role" in changes or changes.get("is_active") is False or changes.get("expires_on"):
        keep_a_super_admin(user)


def set_password(user_id: uuid.UUID, password: str, *, temporary: bool = False) -> User:
    """Set a password. All sessions end. A temporary password has to be changed at the next sign-in."""
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
    """The password hash, for checking. Apart from signing in, only this reads it; people themselves can't."""
    with acting_as(SYSTEM):
        return db.session.scalar(select(User.password).where(User.id == user_id))


@command
def rehash(user_id: uuid.UUID, former: str, hashed: str) -> None:
    """Replace an outdated hash, unless the password was changed in the meantime."""
    statement = update(User).where(User.id == user_id, User.password == former).values(password=hashed)
    db.session.execute(statement, execution_options={"synchronize_session": False})


@command
def update_profile(user_id: uuid.UUID, values: Mapping[str, Any]) -> User:
    """Change a person's own names and time zone."""
    user = locked(queries.by_id(user_id))
    for name, value in values.items():
        setattr(user, name, value or None)
    return user


def keep_oneself(user: User) -> None:
    """Raise Conflict if this is the actor, who would lose their own account."""
    if user.id == current_actor().id:
        raise Conflict(None, "You can't delete yourself. Ask another administrator.")


def keep_a_super_admin(*leaving: User) -> None:
    """Raise Conflict if these are the last active super admins. Locks all of them, so that no two can leave at once."""
    if not any(user.role is Role.SUPER_ADMIN for user in leaving):
        return
    db.session.execute(
        queries.super_admins().with_for_update()
    ).all()  # waits, so that the next query sees current rows
    able = set(db.session.scalars(queries.active_super_admins()))
    if able and not able - {user.id for user in leaving}:
        raise Conflict(None, LAST_SUPER_ADMIN)
