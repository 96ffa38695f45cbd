"""The page of an organization's rule for people who don't sign in."""

from __future__ import annotations

import uuid

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from portal.core.actor import current_actor
from portal.organizations.permissions import ORGANIZATIONS_WRITE
from portal.organizations.resource import resource as organizations
from portal.users import inactivity
from portal.users.filters import IDLE_DAYS
from portal.web.activity_feed import confirm
from portal.web.confirming import ask_first
from portal.web.forms import Form
from portal.web.guards import requires
from portal.web.rendering import redirect, render

bp = Blueprint("inactivity", __name__, url_prefix="/organizations")
WARNINGS = ("7", "14", "21")


class InactivityForm(Form):
    """After how many days without a sign-in people are deactivated, and how many days before they are warned."""

    days = SelectField(
        "Deactivate people who haven’t signed in for",
        choices=[SelectChoice("", "Off"), *(SelectChoice(one, f"{one} days") for one in IDLE_DAYS)],
    )
    warning = SelectField(
        "Warn them by email", choices=[SelectChoice(one, f"{one} days before") for one in WARNINGS], default="14"
    )


@bp.route("/<uuid:id>/inactivity", methods=["GET", "POST"])
@requires(ORGANIZATIONS_WRITE)
def edit(id: uuid.UUID) -> ResponseReturnValue:
    """Show and change the rule. Turning it on asks for confirmation."""
    row = organizations.one(id)
    form = InactivityForm(data={"days": str(row.inactive_days or ""), "warning": str(row.warning_days or 14)})
    if not form.validate_on_submit():
        place = id if current_actor().is_unlimited else None
        order = "last_sign_in_at"
        lists = [(days, url_for("users.index", organization=place, idle=days, sort=order)) for days in IDLE_DAYS]
        status = 422 if form.errors else 200
        return render("users/inactivity.html", form=form, organization=row, lists=lists, status=status)
    days, warning = int(form.days.data or 0), int(form.warning.data)
    if days and (days, warning) != (row.inactive_days, row.warning_days):
        sentences = inactivity.sentences(id, days, warning)
        title, back = f"Deactivate inactive people in {row.name}?", url_for(".edit", id=id)
        if asked := ask_first(title, sentences, verb="Turn on", back_url=back, risky=True):
            return asked
    row = inactivity.set_policy(id, days=days or None, warning=warning)
    confirm(row, "Rule for inactive people saved.", organizations.undo_url(id))
    return redirect(url_for("organizations.show", id=id))
