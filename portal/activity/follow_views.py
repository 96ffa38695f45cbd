"""Pages to follow and unfollow organizations and people."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal.activity import follows
from portal.activity.permissions import ACTIVITY_READ
from portal.core.db import db
from portal.core.errors import Missing
from portal.resources.resource import Resource, resources
from portal.web.guards import public, requires
from portal.web.rendering import redirect, render

bp = Blueprint("follows", __name__)


@bp.get("/activity/followed/")
@requires(ACTIVITY_READ)
def index() -> ResponseReturnValue:
    """What the person follows, as far as they still see it."""
    rows = [(resources()[table], _seen(table, row_id)) for table, row_id in _places()]
    return render("activity/followed.html", followed=[(resource, row) for resource, row in rows if row])


def _places() -> list[tuple[str, uuid.UUID]]:
    return [one.place for one in follows.followed_by(current_user.id)]


def _seen(table: str, row_id: uuid.UUID) -> Any:
    try:
        return resources()[table].one(row_id, with_deleted=True)
    except Missing:
        return None


@bp.post("/activity/followed/stop")
@requires(ACTIVITY_READ)
def stop() -> ResponseReturnValue:
    """Unfollow everything."""
    follows.unfollow_all(current_user.id)
    flash("You no longer follow anything, so you won’t get digests.", "success")
    return redirect(url_for(".index"))


def of_resource(resource: Resource[Any]) -> Any:
    """The view that follows or unfollows a row, for the blueprint of its history."""

    @requires(ACTIVITY_READ)
    def follow(id: uuid.UUID) -> ResponseReturnValue:
        """Follow the row, or unfollow it if the form says so."""
        row = resource.one(id, with_deleted=True)
        title = resource.title_of(row)
        db.session.rollback()  # don't hold a connection while waiting for another
        if request.form.get("stop"):
            follows.unfollow(current_user.id, resource.name, id)
            flash(f"You no longer follow {title}.", "success")
        else:
            follows.follow(current_user.id, resource.name, id)
            flash(f"You follow {title}. You’ll get a daily email about activity there.", "success")
        return redirect(resource.url("show", id))

    return follow


unsubscribing = Blueprint("unsubscribing", __name__)  # needs no session: the token in the URL is enough


@unsubscribing.route("/unsubscribe/<token>", methods=["GET", "POST"])
@public
def unsubscribe(token: str) -> ResponseReturnValue:
    """Stop all digests of the person to whom the link was mailed. Email programs send the POST (RFC 8058)."""
    user_id = follows.subscriber(token)
    is_done = request.method == "POST"
    if is_done:
        follows.unfollow_all(user_id)
    return render("activity/unsubscribe.html", token=token, is_done=is_done)
