"""Pages to start and to stop viewing the portal as another person."""

from __future__ import annotations

import uuid

from flask import Blueprint, flash, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from wtforms import SelectField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import DataRequired

from portal.auth import viewing
from portal.core.actor import current_actor
from portal.core.errors import Conflict, NotAllowed, ReadOnly
from portal.users.permissions import USERS_VIEW_AS
from portal.users.resource import resource
from portal.web import reauthentication
from portal.web.forms import TextField
from portal.web.guards import NOTHING_CHANGES, requires, signed_in
from portal.web.reauthentication import ReauthenticationForm
from portal.web.rendering import redirect, render
from portal.web.session import as_viewer
from portal.web.urls import home

bp = Blueprint("viewing", __name__)
MINUTES = {"15": "15 minutes", "30": "30 minutes", "60": "1 hour"}
LONGEST_REASON = 200


class ViewingForm(ReauthenticationForm):
    """Why, and for how long."""

    reason = TextField(
        "Reason",
        longest=LONGEST_REASON,
        validators=(DataRequired("Enter a reason, such as a support ticket number."),),
        description="Shown to the person in their account activity.",
    )
    minutes = SelectField("Time limit", choices=[SelectChoice(*one) for one in MINUTES.items()], default="15")


@bp.route("/users/<uuid:id>/view-as", methods=["GET", "POST"])
@requires(USERS_VIEW_AS)
def begin(id: uuid.UUID) -> ResponseReturnValue:
    """Ask for a reason, a time limit and the password. POST starts viewing the portal as this person."""
    if current_user.viewer:
        raise ReadOnly(NOTHING_CHANGES)
    user, form = resource.one(id), ViewingForm()
    if not viewing.may_view_as(current_actor(), user):
        raise NotAllowed
    if form.validate_on_submit() and reauthentication.confirmed(form):
        try:
            viewing.begin(current_user, id, reason=form.reason.data or "", minutes=int(form.minutes.data))
        except Conflict as conflict:
            form.add_conflict(conflict)
        else:
            return redirect(home())
    return render("auth/view_as.html", form=form, user=user, status=422 if form.errors else 200)


@bp.post("/view-as/stop")
@signed_in(with_temporary_password=True, without_two_factor=True)
@as_viewer
def stop() -> ResponseReturnValue:
    """Stop viewing the portal as another person, and return to that person's page."""
    viewed_id = viewing.stop(current_user.session_id)
    if viewed_id is None:
        return redirect(home())
    flash("You’re viewing the portal as yourself again.", "success")
    return redirect(url_for("users.show", id=viewed_id))
