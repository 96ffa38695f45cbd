"""The pages of the demo's outbox, with emails that would have been sent, and of emails that failed."""

from __future__ import annotations

from flask import Blueprint
from flask.typing import ResponseReturnValue

from portal.core.counts import Count, counted
from portal.core.db import db
from portal.core.errors import Missing
from portal.mail import queries
from portal.mail.permissions import OUTBOX_READ
from portal.web.given import current_settings
from portal.web.guards import requires
from portal.web.people import names_of
from portal.web.rendering import render

bp = Blueprint("mail", __name__)


@bp.get("/outbox/")
@requires(OUTBOX_READ)
def index() -> ResponseReturnValue:
    """The newest emails, including their links. SUPER_ADMINs see no secret that they couldn't get otherwise."""
    settings = current_settings()
    if not settings.has_outbox:
        raise Missing
    return render("mail/index.html", emails=db.session.scalars(queries.newest()).all())


@bp.get("/outbox/failed/")
@requires(OUTBOX_READ)
def failed() -> ResponseReturnValue:
    """The newest emails that failed, without their contents."""
    found = queries.failed_emails()
    emails = db.session.execute(found.limit(queries.SHOWN)).all()
    return render(
        "mail/failed.html",
        emails=emails,
        total=counted(found) if len(emails) == queries.SHOWN else Count(len(emails)),
        names=names_of()([one.user_id for one in emails]),
        days=current_settings().keep_emails_days,
    )
