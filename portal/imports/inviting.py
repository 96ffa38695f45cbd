"""The page for inviting people: an import of pasted addresses, with a role and a team."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from portal.core.db import db
from portal.core.keys import read_key
from portal.imports import commands, uploads
from portal.imports.forms import InviteForm
from portal.imports.models import Import
from portal.imports.words import Refused
from portal.organizations.models import Organization
from portal.teams.models import Team
from portal.users.permissions import USERS
from portal.web.guards import requires
from portal.web.rendering import redirect, render

bp = Blueprint("imports", __name__, url_prefix="/imports")


@bp.route("/invite", methods=["GET", "POST"])
@requires(USERS.create)
def invite() -> ResponseReturnValue:
    """Receive addresses and check them. The argument `again` is the import whose addresses are being changed."""
    form = InviteForm(**_former())
    if form.validate_on_submit():
        file = BytesIO((form.addresses.data or "").encode())
        try:
            import_id = commands.receive("Invitations", file, form.options(), is_pasted=True)
        except Refused as refused:
            db.session.rollback()
            form.addresses.errors = [str(refused)]
        else:
            return redirect(url_for(".show", id=import_id))
    return render("imports/invite.html", status=422 if form.errors else 200, form=form)


def _former() -> dict[str, Any]:
    """What was entered for an import of addresses."""
    key = read_key(request.args.get("again"))
    one = db.session.get(Import, key) if key else None
    if one is None or not one.is_pasted:
        return {}
    team, home = team_of(one), home_of(one)
    return {
        "addresses": uploads.kept(one).read().decode(),
        "role": one.options.get("role"),
        "team": team.name if team else None,
        "organization_id": home.slug if home else None,
    }


def team_of(one: Import) -> Team | None:
    """The team that new people join."""
    key = read_key(one.options.get("team_id"))
    return db.session.get(Team, key) if key else None


def home_of(one: Import) -> Organization | None:
    """The organization that a SUPER_ADMIN has chosen for new people."""
    key = read_key(one.options.get("home_id"))
    return db.session.get(Organization, key) if key else None
