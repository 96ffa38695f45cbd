"""Pages of organizations in addition to those of every resource."""

from __future__ import annotations

from collections import Counter

from flask import request
from flask.typing import ResponseReturnValue

from portal.core.db import db
from portal.organizations import queries
from portal.organizations.permissions import ORGANIZATIONS_LIST
from portal.organizations.resource import resource
from portal.resources.blueprint import blueprint
from portal.web.guards import requires
from portal.web.rendering import render

bp = blueprint(resource)


@bp.get("/options")
@requires(ORGANIZATIONS_LIST)
def options() -> ResponseReturnValue:
    """Suggest organizations while a name is typed."""
    found = db.session.execute(queries.suggested(request.args.get("organization_id", ""))).all()
    names = Counter(one.name.casefold() for one in found)
    return render("organizations/_options.html", organizations=found, names=names)
