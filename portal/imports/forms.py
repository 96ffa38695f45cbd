"""The form for inviting people."""

from __future__ import annotations

import uuid
from typing import Any

from wtforms import SelectField, TextAreaField, ValidationError
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import DataRequired

from portal.core.actor import Role, current_actor
from portal.core.db import db
from portal.core.policy import grantable_roles
from portal.organizations.fields import SUGGESTED, OrganizationField
from portal.organizations.models import Organization
from portal.resources.relation import LONGEST, NOT_FOUND
from portal.teams.models import Team
from portal.teams.resource import members
from portal.teams.resource import resource as teams
from portal.users.permissions import USERS_ANY_TENANT
from portal.web.forms import RowForm, TextField

SEVERAL = "Several teams have this name. Enter the organization, too."
GONE = "This team's organization was deleted. Enter another team."


class InviteForm(RowForm):
    """Addresses, and the role and team of the people invited. SUPER_ADMINs choose the organization."""

    layout = ("addresses", "organization_id", ("role", "team"))
    permissions = {"organization_id": USERS_ANY_TENANT, "team": members.permission}
    addresses = TextAreaField(
        "Email addresses",
        validators=[DataRequired("Enter at least one email address.")],
        description="Separate them with commas, semicolons or line breaks. You can paste them from an email program."
        " For more than 5,000, import a file.",
        render_kw={
            "rows": 6,
            "placeholder": "Ada Lovelace <ada@example.com>, grace@example.com",
            "spellcheck": "false",
        },
    )
    organization_id = OrganizationField()
    role = SelectField("Role")
    team = TextField("Team", longest=LONGEST, description=SUGGESTED)

    def __init__(self, **former: Any) -> None:
        super().__init__(data={"role": Role.USER.name, **former})
        self.group: Team | None = None
        self.role.choices = [SelectChoice(role.name, role.label) for role in grantable_roles(current_actor())]
        if "team" in self:
            self.team.render_kw = {
                "list": "team-options",
                "hx-get": teams.url("options", field="team"),
                "hx-trigger": "focus once, input delay:200ms",
                "hx-target": "#team-options",
                "hx-swap": "innerHTML",
                "hx-sync": "this:replace",
                "autocomplete": "off",
            }

    def validate_team(self, field: Any) -> None:
        """Find exactly one team, in the organization if one is entered."""
        if not field.data:
            return
        found = teams.identified_by(field.data, self._home)
        if len(found) != 1:
            raise ValidationError(SEVERAL if found else NOT_FOUND.format(teams.noun))
        if current_actor().is_unlimited and db.session.get(Organization, found[0].organization_id) is None:
            raise ValidationError(GONE)
        self.group = found[0]

    @property
    def _home(self) -> uuid.UUID | None:
        row = self.organization_id.row if "organization_id" in self else None
        return row.id if row else None

    def options(self) -> dict[str, Any]:
        """The options of the import: people join the organization of their team."""
        options: dict[str, Any] = {"invites": True, "role": self.role.data}
        if self.group:
            options |= {"team_id": str(self.group.id)}
        home = self.group.organization_id if self.group else self._home
        if home and current_actor().is_unlimited:
            options |= {"home_id": str(home)}
        return options
