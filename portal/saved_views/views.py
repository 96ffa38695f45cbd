"""Pages of saved views beyond those of every resource."""

from __future__ import annotations

import uuid

from flask import flash, request
from flask.typing import ResponseReturnValue

from portal.core.errors import Missing, Stale
from portal.resources.blueprint import blueprint
from portal.saved_views.commands import saved_views
from portal.saved_views.forms import LONGEST_QUERY, TOO_LONG
from portal.saved_views.permissions import WRITE
from portal.saved_views.resource import resource
from portal.web.activity_feed import confirm
from portal.web.guards import requires
from portal.web.rendering import redirect

STALE = "Not saved. Someone else changed the view “{}” in the meantime. Open it again, or save yours as a new view."

bp = blueprint(resource)


@bp.post("/<uuid:id>/save")
@requires(WRITE)
def save(id: uuid.UUID) -> ResponseReturnValue:
    """Save the list as it is shown into the view."""
    row, query = resource.one(id), request.form.get("query", "")
    to_list = resource.open_url(row)
    if not to_list or not query.isprintable():
        raise Missing
    if len(query) > LONGEST_QUERY:
        flash(TOO_LONG, "error")
        return redirect(to_list)
    version = request.form.get("version", "")
    try:
        seen = int(version) if version.isascii() and version.isdigit() and len(version) < 10 else 0
        changed = saved_views.update(id, seen, {"query": query})
    except Stale:
        flash(STALE.format(row.name), "error")
    else:
        confirm(changed, f"View “{changed.name}” saved.", resource.undo_url(id))
    return redirect(to_list)
