"""What people learn about their jobs on every page: how many are running, and once, which have ended."""

from __future__ import annotations

from flask import flash, g, request, url_for
from flask_login import current_user

from portal.core.actor import current_actor, has_actor
from portal.core.db import db
from portal.core.policy import allows
from portal.jobs import queries
from portal.jobs.commands import mark_announced
from portal.jobs.kinds import page_of
from portal.jobs.models import Job
from portal.jobs.permissions import JOBS_READ
from portal.jobs.words import summary_of
from portal.web.problems import is_api
from portal.web.rendering import wants_fragment


def announce() -> None:
    """Before each page: flash which of the person's jobs have ended since their last one. No statement if none."""
    if request.method != "GET" or not has_actor() or wants_fragment() or is_api():
        return
    if not getattr(current_user._get_current_object(), "has_news", False):
        return
    actor = current_actor()
    if actor.id is None or not allows(actor, JOBS_READ):
        return
    found = db.session.scalars(queries.unannounced(actor.id)).all()
    g.jobs_running = sum(one.is_open for one in found)
    over = [one for one in found if not one.is_open]
    if not over:
        db.session.rollback()  # don't hold a connection while waiting for another
    else:
        marked = mark_announced(one.id for one in over)
        for one in over:
            if one.id in marked and one.id != (request.view_args or {}).get("id"):
                _flash(one)


def _flash(job: Job) -> None:
    text = f"{job.title}: {job.state}. {summary_of(job)}."
    url = page_of(job) or url_for("jobs.show", id=job.id)
    flash({"text": text, "url": url, "is_good": job.state == "done"}, "job")  # type: ignore[arg-type]


def running() -> str:
    """How many of the person's jobs are running, as text beside the link in the navigation; empty if none."""
    many = g.get("jobs_running", 0)
    return f"{many} running" if many else ""
