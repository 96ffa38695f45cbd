"""The pages of jobs."""

from __future__ import annotations

import uuid

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal.core.db import db
from portal.core.errors import Missing
from portal.jobs import commands, news, queries
from portal.jobs.kinds import kept_by, page_of
from portal.jobs.models import RETRIED, Job
from portal.jobs.permissions import JOBS_READ, JOBS_WRITE
from portal.jobs.words import color_of, duration_of, remaining, summary_of, what_stays
from portal.web.guards import requires
from portal.web.people import name_of, names_of
from portal.web.rendering import redirect, render
from portal.web.searching import render_list
from portal.web.urls import here

bp = Blueprint("jobs", __name__, url_prefix="/jobs")

bp.before_app_request(news.announce)
bp.add_app_template_global(page_of, "page_of_job")
bp.add_app_template_filter(color_of, "job_color")
bp.add_app_template_filter(summary_of, "job_summary")
bp.add_app_template_filter(duration_of, "job_duration")
bp.add_app_template_filter(what_stays, "job_stays")


@bp.get("/")
@requires(JOBS_READ)
def index() -> ResponseReturnValue:
    """The list of jobs, newest first."""
    return render_list("jobs", queries.listing(request.args, here()), names=lambda ids: names_of()(ids))


@bp.get("/<uuid:id>/")
@requires(JOBS_READ)
def show(id: uuid.UUID) -> ResponseReturnValue:
    """One job. htmx requests its progress again and again while it is running."""
    job = _job(id)
    if not job.is_open and not job.is_announced and job.owner_id == current_user.id:
        commands.mark_announced([id])
        job = _job(id)
    return render(
        "jobs/show.html",
        fragment="jobs/_progress.html",
        job=job,
        left=remaining(job),
        owner=name_of(job.owner_id),
        kept=() if job.is_open else kept_by(job),
        can_retry=job.state in RETRIED,
    )


@bp.post("/<uuid:id>/cancel")
@requires(JOBS_WRITE)
def cancel(id: uuid.UUID) -> ResponseReturnValue:
    """Stop a job, and roll back its current batch."""
    job = commands.cancel(id)
    if job.state == "canceled":
        flash(f"{job.title} canceled. {what_stays(job)}", "success")
    else:
        flash(f"{job.title} had already ended.", "error")
    return redirect(url_for(".show", id=id))


@bp.post("/<uuid:id>/retry")
@requires(JOBS_WRITE)
def retry(id: uuid.UUID) -> ResponseReturnValue:
    """Continue a failed or canceled job where it stopped."""
    job = commands.retry(id)
    if job.is_open:
        flash(f"{job.title} continues where it stopped.", "success")
    else:
        flash(f"{job.title} has ended, so there is nothing to retry.", "error")
    return redirect(url_for(".show", id=id))


def _job(job_id: uuid.UUID) -> Job:
    job = db.session.scalar(queries.by_id(job_id))
    if job is None:
        raise Missing
    return job
