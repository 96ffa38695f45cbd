"""Send invitations again to many people, or end their sessions, as the system on behalf of an administrator."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import case, insert, literal, not_, null, or_, select, true, update

from portal.core import history
from portal.core.actions import Action
from portal.core.actor import SYSTEM, Actor, Role, current_actor
from portal.core.bulk import BulkChange, Refusal, among
from portal.core.clock import now
from portal.core.counts import number_of
from portal.core.db import acting_as, command, db
from portal.core.history import Activity
from portal.mail.commands import send_to_all_later
from portal.mail.notices import can_send
from portal.resources.bulk import BulkAction
from portal.tokens.commands import end
from portal.tokens.models import Session
from portal.tokens.queries import is_live, live_of
from portal.users.actions import END_SESSIONS, INVITED
from portal.users.bulk import OUTSIDE, OWN, TOO_MANY_EMAILS, too_many_emails
from portal.users.clashes import is_outside
from portal.users.models import User
from portal.users.permissions import USERS_INVITE, USERS_WRITE

NO_INVITATION = "No open invitation"
DEACTIVATED = "Deactivated"
NO_SESSION = "Not signed in"
UNSENT = "Email is not set up, so no invitation can be sent. Show the links and hand them over instead."
RECORDED = ["actor_id", "actor_role", "organization_id", "action", "table_name", "row_id"]


class OnBehalf(BulkChange):
    """A change that tenants can't make themselves. It is authorized again in the system's transaction."""

    model = User
    action: Action
    is_undoable = False
    is_by_system = True

    def lock(self, ids: Sequence[uuid.UUID]) -> None:
        """Lock only in the system's transaction: it would wait for locks that the actor's transaction holds."""
        if current_actor() == SYSTEM:
            super().lock(ids)

    def apply(self, ids: Sequence[uuid.UUID]) -> None:
        by = self.by = self.by or current_actor()
        if current_actor() == SYSTEM:
            self._carry_out(ids, by)
            return
        db.session.rollback()  # don't hold a connection while waiting for another
        with acting_as(SYSTEM):
            self._carry_out(ids, by)

    @command
    def _carry_out(self, ids: Sequence[uuid.UUID], by: Actor) -> None:
        reached = true() if by.is_unlimited else User.visible_to(by)
        refused = or_(*(one.condition for one in self.refusals(ids)))
        locked = select(User.id).where(among(User.id, ids), reached, not_(refused)).order_by(User.id)
        found = db.session.scalars(locked.with_for_update()).all()
        history.credit(by)
        self.change(found)
        seen_by = case((User.role == Role.SUPER_ADMIN, null()), else_=User.organization_id)
        role = "SYSTEM" if by.role is None else by.role.name
        event = (literal(by.id), literal(role), seen_by, literal(self.action.name), literal("users"), User.id)
        db.session.execute(insert(Activity).from_select(RECORDED, select(*event).where(among(User.id, found))))

    def change(self, ids: Sequence[uuid.UUID]) -> None:
        """Change the people, as the system."""
        raise NotImplementedError


class Inviting(OnBehalf):
    """Send invitations again. Former links stop working."""

    action = INVITED
    full: Sequence[uuid.UUID] = ()

    def refusals(self, ids: Sequence[uuid.UUID]) -> Sequence[Refusal]:
        return [
            Refusal(NO_INVITATION, or_(User.invited_at.is_(None), User.accepted_at.is_not(None))),
            Refusal(DEACTIVATED, not_(User.is_active)),
            Refusal(OUTSIDE, is_outside(User.organization_id)),
            Refusal(TOO_MANY_EMAILS, among(User.id, self.full)),
        ]

    def consequences(self, ids: Sequence[uuid.UUID]) -> list[str]:
        sent = f"{number_of(len(ids), 'invitation')} sent by email. Each works for 7 days." if can_send() else UNSENT
        return [sent, "Links of earlier invitations stop working."]

    def prepare(self, ids: Sequence[uuid.UUID]) -> None:
        self.full = too_many_emails(ids)

    def change(self, ids: Sequence[uuid.UUID]) -> None:
        anew = {"link_counter": User.link_counter + 1, "invited_at": now(), "revoked_at": None}
        changed = update(User).where(among(User.id, ids)).values(anew)
        db.session.execute(changed, execution_options={"synchronize_session": False})
        send_to_all_later("invitation", ids)


class EndingSessions(OnBehalf):
    """Sign people out on all devices."""

    action = END_SESSIONS

    def refusals(self, ids: Sequence[uuid.UUID]) -> Sequence[Refusal]:
        live = select(literal(1)).where(Session.user_id == User.id, is_live())
        return [Refusal(OWN, User.id == (self.by or current_actor()).id), Refusal(NO_SESSION, not_(live.exists()))]

    def consequences(self, ids: Sequence[uuid.UUID]) -> list[str]:
        devices = number_of(db.session.scalar(live_of(*ids)) or 0, "device")
        return [f"They are signed out on {devices} at once.", "They can sign in again, with the same passwords."]

    def is_sensitive(self, ids: Sequence[uuid.UUID]) -> bool:
        return True

    def change(self, ids: Sequence[uuid.UUID]) -> None:
        end(among(Session.user_id, ids))


ACTIONS = (
    BulkAction(
        "invite", "Resend invitation", "mail", "Resend the invitation of {}", "Invitation of {} resent.",
        USERS_INVITE, lambda _: Inviting(), tabs=("invited",), is_first=True, of_all="Resend all",
    ),
    BulkAction(
        "end-sessions", "End sessions", "logout", "End the sessions of {}", "Sessions of {} ended.",
        USERS_WRITE, lambda _: EndingSessions(), tabs=("active", "organization-deleted"),
    ),
)  # fmt: skip
