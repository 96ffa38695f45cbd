"""Forms for people."""

from __future__ import annotations

from datetime import date
from typing import Any

from wtforms import BooleanField, PasswordField, SelectField, ValidationError
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import DataRequired, InputRequired

from portal.core.actor import Role, current_actor
from portal.core.clock import now, read_day
from portal.core.email_addresses import canonical_email, pasted_email, readable_email
from portal.core.policy import grantable_roles
from portal.organizations.fields import SUGGESTED, OrganizationField
from portal.organizations.models import Organization
from portal.users.models import SENSITIVE, User
from portal.users.permissions import USERS_ANY_TENANT
from portal.users.rules import PasswordRule
from portal.web.confirming import ConfirmForm
from portal.web.forms import EditForm, Form, NewForm, RowForm, TextField
from portal.web.given import current_settings
from portal.web.reauthentication import ReauthenticationForm

LONGEST_EMAIL = 254
LONGEST_NAME = 80
NO_ORGANIZATION = "Without an organization, a person sees only their own account, unless their role is Super admin."


class EmailField(TextField):
    """An email address, pasted in any format. The field shows it in readable form; `address` is the stored form."""

    def __init__(self, label: str, **kwargs: Any) -> None:
        wanted = DataRequired("Enter an email address, such as name@example.com.")
        super().__init__(label, longest=LONGEST_EMAIL, reads=pasted_email, validators=(wanted, valid_email), **kwargs)
        self.address = ""


def valid_email(_form: Any, field: EmailField) -> None:
    settings = current_settings()
    try:
        field.address = canonical_email(field.data or "", settings.email_kinds)
    except ValueError as error:
        raise ValidationError(str(error)) from None
    field.data = readable_email(field.address)


class DayField(TextField):
    """A date, today or later; `day` is its value."""

    def __init__(self, label: str, **kwargs: Any) -> None:
        super().__init__(label, longest=10, validators=(valid_day,), render_kw={"type": "date"}, **kwargs)

    @property
    def day(self) -> date | None:
        return read_day(self.data or "")


def valid_day(_form: Any, field: DayField) -> None:
    if not field.data:
        return
    if field.day is None:
        raise ValidationError("Enter a valid date, such as 2030-12-31.")
    if field.day < now().date():
        raise ValidationError("This date has passed. Enter today or a later date, or leave the field empty.")


class UserForm(RowForm):
    """The fields of a person, without those that the actor may not set."""

    layout = (
        ("first_name", "last_name"),
        "email",
        "organization_id",
        ("role", "is_active"),
        ("activates_on", "expires_on"),
    )
    permissions = {"organization_id": USERS_ANY_TENANT}
    reauthentication_reason = (
        "It has been a while since you signed in, and this changes an email, a role or an organization."
    )
    first_name = TextField("First name", longest=LONGEST_NAME)
    last_name = TextField("Last name", longest=LONGEST_NAME)
    email = EmailField("Email", render_kw={"type": "email"})
    role = SelectField("Role")
    organization_id = OrganizationField()
    is_active = SelectField("Can sign in", choices=[SelectChoice("true", "Yes"), SelectChoice("false", "No")])
    activates_on = DayField(
        "First day of access", description="The account is activated, and any invitation sent, on this day (UTC)."
    )
    expires_on = DayField("Last day of access", description="The account is deactivated at the end of this day (UTC).")
    home: Organization | None = None  # the person's organization before the edit

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.role.choices = [SelectChoice(role.name, role.label) for role in grantable_roles(current_actor())]
        if "organization_id" not in self:
            return
        url_name = f"URL name: {self.home.slug}. " if self.home else ""
        self.organization_id.description = f"{url_name}{SUGGESTED} {NO_ORGANIZATION}"

    @property
    def organization(self) -> Organization | None:
        """The selected organization."""
        return self.organization_id.row if "organization_id" in self else None

    def values(self) -> dict[str, Any]:
        """The entered values, by column."""
        typed: dict[str, Any] = {name: self[name].data for name in ("first_name", "last_name")}
        typed["email"] = self.email.address
        typed["role"] = Role[self.role.data]
        typed["is_active"] = self.is_active.data == "true"
        typed["activates_on"], typed["expires_on"] = self.activates_on.day, self.expires_on.day
        if "organization_id" in self:
            typed["organization_id"] = self.organization.id if self.organization else None
        return typed


class NewUserForm(UserForm, NewForm, ConfirmForm, ReauthenticationForm):
    """A new person."""

    anew = BooleanField("Create a new person anyway")

    def __init__(self) -> None:
        """The URL can contain the slug of an organization to fill in."""
        super().__init__(role=Role.USER.name, is_active="true")
        self.email.description = "Used to sign in."

    def is_sensitive(self) -> bool:
        """Whether the role grants access to more than one's own account."""
        return Role[self.role.data] is not Role.USER


class EditUserForm(UserForm, EditForm, ConfirmForm, ReauthenticationForm):
    """An existing person."""

    def __init__(self, user: User) -> None:
        self.home = user.organization
        self._emails = {user.email.strip(), readable_email(user.email).strip()}
        super().__init__(user)
        if user.is_active:  # the first day is in the past
            self.layout = (*self.layout[:-1], "expires_on")  # type: ignore[misc,assignment]
        self.email.description = _email_hint(user)

    @classmethod
    def shown(cls, row: User, name: str) -> str:
        if name == "organization_id":
            return row.organization.name if row.organization else ""
        special = {"email": readable_email(row.email), "role": row.role.name, "is_active": str(row.is_active).lower()}
        return special.get(name) or super().shown(row, name)

    def values(self) -> dict[str, Any]:
        return self.changes(super().values())

    def _is_sent_as(self, name: str, value: str) -> bool:
        """Browsers trim addresses, and some write their domains in ASCII."""
        sent = self[name].raw_data
        is_own = name == "email" and bool(sent) and sent[0].strip() in self._emails and value.strip() in self._emails
        return is_own or super()._is_sent_as(name, value)

    def is_sensitive(self, user: User) -> bool:
        """Whether it changes the address, role or organization."""
        typed = self.values()
        return any(typed.get(name, getattr(user, name)) != getattr(user, name) for name in SENSITIVE)


class ChosenPasswordForm(Form):
    """A new password, checked against the person's rule."""

    password = PasswordField("New password", validators=[InputRequired("Choose a new password.")])

    def __init__(self, *args: Any, rule: PasswordRule, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rule = rule

    def validate_password(self, field: Any) -> None:
        if problem := self.rule.problem_of(field.data):
            raise ValidationError(problem)


def _email_hint(user: User) -> str:
    if user.pending_email:
        return f"The change to {readable_email(user.pending_email)} takes effect once it is confirmed."
    is_waiting = user.invitation in ("pending", "expired", "revoked")
    return "Used to sign in." if is_waiting else "Used to sign in. A new address takes effect once it is confirmed."
