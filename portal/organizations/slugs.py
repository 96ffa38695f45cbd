"""Short URLs of organizations."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from portal.core.db import db
from portal.core.errors import Missing
from portal.organizations import queries
from portal.organizations.permissions import ORGANIZATIONS_READ
from portal.resources.resource import resources
from portal.web.guards import requires
from portal.web.jinja import link
from portal.web.rendering import redirect
from portal.web.urls import home

bp = Blueprint("organization_slugs", __name__, url_prefix="/o")


@bp.get("/<slug>")
@requires(ORGANIZATIONS_READ)
def show(slug: str) -> ResponseReturnValue:
    """Redirect to the organization with this slug. Lists link here, because UUIDs would make pages a tenth larger."""
    found = db.session.scalar(queries.by_slug(slug))
    if found is None:
        raise Missing
    return redirect(resources()["organizations"].url("show", found.id))


def linked(row: Any) -> Markup | str:
    """The name of a row's organization, as a link: by its slug, or by its id if it is deleted."""
    if not row.organization_name:
        return ""
    slug = row.organization_slug
    url = f"{home()}o/{slug}" if slug else f"{home()}organizations/{row.organization_id}"
    return link(url, row.organization_name)
