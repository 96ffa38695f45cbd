"""Forms for teams."""

from __future__ import annotations

from typing import Any, ClassVar

from wtforms.validators import DataRequired

from portal.organizations.fields import OrganizationField
from portal.users.permissions import USERS_ANY_TENANT
from portal.web.forms import EditForm, NewForm, RowForm, TextField


class TeamForm(RowForm):
    """A team as an administrator writes it."""

    layout: ClassVar[tuple[str, ...]] = ("name", "description")
    name = TextField("Name", longest=80, validators=(DataRequired("Enter the team's name."),))
    description = TextField("Description", longest=200)


class NewTeamForm(TeamForm, NewForm):
    """A new team. SUPER_ADMINs choose its organization."""

    layout = ("organization_id", *TeamForm.layout)
    permissions = {"organization_id": USERS_ANY_TENANT}
    organization_id = OrganizationField(validators=(DataRequired("Enter the team's organization."),))

    def values(self) -> dict[str, Any]:
        chosen = self.organization_id.row if "organization_id" in self else None
        return {**super().values(), "organization_id": chosen.id if chosen else None}


class EditTeamForm(TeamForm, EditForm):
    """A team that exists."""
