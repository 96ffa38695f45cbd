"""The description of people as a resource."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, cast

from flask import flash

from portal.core.actor import Role, current_actor
from portal.core.clock import now
from portal.core.db import db
from portal.core.email_addresses import readable_email
from portal.core.listing import Filter, Listing
from portal.core.policy import allows, grantable_roles
from portal.mail.notices import can_send, flash_sent
from portal.organizations.models import Organization
from portal.resources.changes import Wording, changed, in_words
from portal.resources.demo import Demo, DemoRows
from portal.resources.empty import Empty
from portal.resources.resource import SUGGESTIONS, Resource
from portal.resources.samples import Samples, SampleTenant, Texts
from portal.users import consequences, locks, queries
from portal.users.bulk import ACTIONS, SettingPeople
from portal.users.bulk_behalf import ACTIONS as BEHALF
from portal.users.commands import keep_oneself
from portal.users.commands import users as records
from portal.users.demo import demo_rows
from portal.users.devices import devices_of
from portal.users.forms import EditUserForm, NewUserForm
from portal.users.list_columns import COLUMNS
from portal.users.models import SENSITIVE, User, full_name, full_name_of
from portal.users.permissions import USERS_ANY_TENANT
from portal.web.activity_feed import feed
from portal.web.forms import Form
from portal.web.jinja import day, email
from portal.web.zones import label_of

BESIDE_EMAIL = ("email_verified", "pending_email")  # they change with the address, and aren't counted
OWN_ACCESS = frozenset({"role", "is_active", "activates_on", "expires_on", "organization_id", "deleted_at"})
EMAIL_LATER = "{} takes effect once it is confirmed. Until then, {} is used to sign in."
NO_ADMINISTRATOR = "{} has no active administrator now, so nobody there can manage its people."


class People(Resource[User]):
    """People with an account."""

    records = records
    plural = "people"
    unique = "email"
    icon, icon_new = "users", "user-plus"
    beside_new = (("upload", "Import", "imports.index"), ("mail", "Invite people", "imports.invite"))
    searched = "Name or email"
    typed_as = "Email or full name"
    columns = COLUMNS
    shown_with = (User.organization,)
    empty = {
        "active": Empty(
            "No people yet",
            "People who can sign in appear here. Those who haven't accepted their invitation are under Invited.",
            "users",
            offers_new=True,
        ),
        "invited": Empty(
            "No open invitations",
            "People who have been invited but haven't chosen a password yet appear here.",
            "user-plus",
        ),
        "deactivated": Empty(
            "No deactivated people",
            "People who are deactivated appear here. They can't sign in, but all their data is kept.",
            "user-off",
        ),
        "organization-deleted": Empty(
            "No people in deleted organizations",
            "People whose organization is deleted appear here. They can sign in again once it is restored.",
            "building",
        ),
    }
    labels = {
        "email": "Email",
        "password": "Password",
        "first_name": "First name",
        "last_name": "Last name",
        "role": "Role",
        "is_active": "Active",
        "activates_on": "First day of access",
        "expires_on": "Last day of access",
        "email_verified": "Email verified",
        "pending_email": "Email to be confirmed",
        "must_change_password": "Password is temporary",
        "organization_id": "Organization",
        "time_zone": "Time zone",
    }
    switches = {
        "is_active": (Wording("deactivated", ""), Wording("activated", "")),
        "email_verified": (
            Wording("marked the email as not verified", "for"),
            Wording("marked the email as verified", "for"),
        ),
        "must_change_password": (Wording("stopped asking for a new password"), Wording("asked for a new password")),
    }
    icons = {"password": "key", "role": "shield"}
    new_form = NewUserForm
    edit_form = EditUserForm
    actions = (*ACTIONS, *BEHALF)
    setting = SettingPeople
    are_people = True
    sensitive = SENSITIVE
    deleting = "You can restore them from the deleted people."
    restoring = "Restores the person exactly as before. They need to sign in again on every device."

    def lead(self) -> str:
        everywhere = allows(current_actor(), USERS_ANY_TENANT)
        return "Everyone in every organization." if everywhere else "Everyone in your organization."

    def hint(self) -> str:
        if can_send():
            return "They get an invitation by email, with a link to choose a password."
        return "Email is not set up. Create the person, then show the invitation link and give it to them yourself."

    def listing(self, arguments: Mapping[str, str], path: str, filters: Mapping[str, Filter]) -> Listing:
        return queries.listing(arguments, path, filters)

    def exported(self) -> Mapping[str, Any]:
        return {
            "Email": User.email,
            "First name": User.first_name,
            "Last name": User.last_name,
            "Role": User.role,
            "Organization": Organization.name,
            "Organization slug": Organization.slug,
            "Status": queries.status(),
            "First day of access": User.activates_on,
            "Last day of access": User.expires_on,
            "Email verified": User.email_verified,
            "Two-factor": User.has_two_factor,
            "Last sign-in": User.last_sign_in_at,
            "Created": User.created_at,
            "Deleted": User.deleted_at,
            "ID": User.id,
        }

    def matching(self, text: str, most: int, tenant: uuid.UUID | None = None) -> Sequence[User]:
        return queries.matching(text, most, tenant)

    def typed(self, row: User) -> Sequence[str]:
        return readable_email(row.email), row.email, row.name

    def subtitle_of(self, row: Any) -> str:
        return email(row.email)

    def suggested(self, text: str, tenant: uuid.UUID | None) -> Sequence[tuple[str, str]]:
        return [(email, row.name) for row in self.matching(text, SUGGESTIONS, tenant) for email in self.typed(row)[:1]]

    def title_of(self, row: Any) -> str:
        return full_name(row.first_name, row.last_name, row.email)

    def sql_name(self, row: Any) -> Any:
        return full_name_of(row)

    def wording(self, event: Any) -> Wording:
        """Changes of passwords and email addresses have their own sentences."""
        changes = event.changes or {}
        if "password" in changes:
            return _wording_of_password(event, changes)
        if set(changes) == {"pending_email"} and changes["pending_email"]:
            before, after = (readable_email(one or "") for one in changes["pending_email"])
            return Wording(
                f"requested {after} as the new address" if after else f"canceled {before} as the new address"
            )
        beside = BESIDE_EMAIL if "email" in changes else ()
        return changed({one: changes[one] for one in changes if one not in beside}, self.labels, self.switches)

    def in_words(self, name: str, value: Any) -> str | None:
        if name == "time_zone":
            return label_of(value)
        if name == "role" and value:
            return (value if isinstance(value, Role) else Role[value]).label
        if name in ("activates_on", "expires_on") and value:
            return day(date.fromisoformat(str(value)))
        return readable_email(value) if name in ("email", "pending_email") and value else in_words(value)

    def keys_matching(self, text: str, most: int) -> Sequence[uuid.UUID]:
        return queries.keys_matching(text, most)

    def may_be_undone(self, row_id: uuid.UUID, changes: Mapping[str, Any]) -> bool:
        """Nobody can undo a change of their own access, or grant a role above their own."""
        own = row_id == current_actor().id and not OWN_ACCESS.isdisjoint(changes)
        former = (changes.get("role") or [None])[0]
        is_grantable = former is None or Role[former] in grantable_roles(current_actor())
        return not own and is_grantable and super().may_be_undone(row_id, changes)

    def undone(self, row: User, values: Mapping[str, Any]) -> str:
        """An email comes back without a new link: none goes to one that was asked for in the meantime."""
        text = super().undone(row, values)
        if row.is_deleted or "email" not in values:
            return text
        state = "" if row.email_verified else " The address is not confirmed yet."
        return f"{text} {row.name} signs in with {readable_email(row.email)} again.{state}"

    def prefetched(self, row_id: uuid.UUID) -> dict[str, Any]:
        return {
            "is_rate_limited": locks.is_rate_limited(row_id),
            "is_followed": feed().is_followed(self.name, row_id),
        }

    def context(self, row: User) -> dict[str, Any]:
        return {
            "mails": can_send(),
            "devices": devices_of(row.id),
        }

    def samples(self, tenant: SampleTenant) -> Samples:
        for who, key in tenant.people.items():
            yield (
                User,
                {
                    "id": key,
                    "organization_id": tenant.id,
                    "email": email_sample(tenant.texts, who),
                    "first_name": tenant.texts.phrase("the name of a person"),
                    "role": {"admin": Role.ADMIN, "hidden": Role.SUPER_ADMIN}.get(who, Role.USER),
                    "password": tenant.password,
                    "deleted_at": now() if who == "deleted" else None,
                },
            )

    def demo(self, demo: Demo) -> DemoRows:
        return demo_rows(demo)

    def options(self, form: Form) -> dict[str, Any]:
        return {"anew": cast(NewUserForm, form).anew.data}

    def created(self, form: Form, row_id: uuid.UUID) -> str:
        filled = cast(NewUserForm, form)
        values = filled.values()
        say_invited(filled.email.data, is_active=values["is_active"], first_day=values["activates_on"])
        return self.url("show", row_id)

    def edited(self, row: User, form: Form) -> None:
        """Say so where an address takes effect later, and where an organization lost its last administrator."""
        filled = cast(EditUserForm, form)
        if row.pending_email and filled.email.address == row.pending_email:
            flash(EMAIL_LATER.format(readable_email(row.pending_email), readable_email(row.email)), "success")
        administered = filled.home if filled.stored["role"] == Role.ADMIN.name else None
        if administered and not db.session.scalar(queries.admins_of(administered.id)):
            flash(NO_ADMINISTRATOR.format(administered.name), "error")

    def consequences_of_creating(self, form: Form) -> list[str]:
        return consequences.of_creating(cast(NewUserForm, form))

    def consequences_of_editing(self, form: Form, row: User) -> list[str]:
        return consequences.of_editing(cast(EditUserForm, form), row, row.organization)

    def consequences_of_deleting(self, row: User) -> list[str]:
        keep_oneself(row)
        return consequences.of_leaving(row, "delete")

    def consequences_of_restoring(self, row: User) -> list[str]:
        return consequences.of_returning(row, row.organization)

    def purged_by(self, row: User) -> Sequence[str]:
        return readable_email(row.email), row.email

    def consequences_of_purging(self, row: User) -> list[str]:
        return consequences.of_purging(row)

    def consequences_of_undoing(self, row: User, values: Mapping[str, Any]) -> list[str]:
        return consequences.of_undoing(row, values)

    def is_sensitive(self, form: Form, row: User | None) -> bool:
        return cast(EditUserForm, form).is_sensitive(row) if row else cast(NewUserForm, form).is_sensitive()


resource = People()


def _wording_of_password(event: Any, changes: Mapping[str, Any]) -> Wording:
    is_complete = changes.keys() <= {"password", "must_change_password"}
    if event.actor_role == "SYSTEM" and event.address:  # at a sign-in: the same password, with a stronger hash
        return Wording("updated how the password is stored", "for", is_complete=is_complete)
    is_temporary = (changes.get("must_change_password") or [None, None])[1]
    verb, preposition = ("reset the password", "of") if is_temporary else ("set a new password", "for")
    return Wording(verb, preposition, is_complete=is_complete)


def email_sample(texts: Texts, who: str) -> str:
    return f"{texts.word}{who}.{texts.mark('the email of a person')}@example.com"


def say_invited(email: str | None, *, is_active: bool, first_day: date | None = None) -> None:
    """Say what happens to a new invitation."""
    if first_day and first_day > now().date():
        flash(f"Person created. The invitation is sent on {day(first_day)}.", "success")
    elif is_active:
        sent = f"An invitation is on its way to {email}. It works for 7 days."
        flash_sent(sent, "The invitation", "Show its link and give it to the person yourself.")
    else:
        flash("Person created. The invitation is sent once they are activated.", "success")
