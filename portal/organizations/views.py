"""Pages of organizations in addition to those of every resource."""

from __future__ import annotations

import uuid

from flask.typing import ResponseReturnValue

from portal.organizations.forms import SettingsForm
from portal.organizations.permissions import ORGANIZATIONS_WRITE
from portal.organizations.resource import resource
from portal.resources.blueprint import Pages, blueprint
from portal.web.guards import requires

bp = blueprint(resource)


@bp.route("/<uuid:id>/settings", methods=["GET", "POST"])
@requires(ORGANIZATIONS_WRITE)
def settings(id: uuid.UUID) -> ResponseReturnValue:
    """Change the settings of an organization."""
    return Pages(resource).edit(id, SettingsForm, "settings", "Settings for")
