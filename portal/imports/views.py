"""The pages of imports."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from itertools import islice
from typing import Any

from flask import flash, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from portal.core.actor import current_actor
from portal.core.db import db
from portal.core.errors import Conflict, Missing
from portal.core.policy import allows
from portal.imports import checking, commands, inviting, overwriting, uploads
from portal.imports.files import DELIMITERS, ENCODINGS, MOST_BYTES, Row
from portal.imports.models import VERDICTS, Import, ImportRow
from portal.imports.words import FIELDS, Refused
from portal.jobs.models import Job
from portal.mail.notices import can_send
from portal.organizations.queries import by_slug
from portal.users.permissions import USERS, USERS_ANY_TENANT
from portal.web import reauthentication
from portal.web.csv import csv_response
from portal.web.guards import requires
from portal.web.rendering import redirect, render

bp = inviting.bp
RECENT = 20
NEW = ("read", "checked")
SHOWN = 25
EXPORTED_AT_ONCE = 1_000
NO_SUCH_ORGANIZATION = "There is no organization with the URL name “{}”."
LABELS = {"create": "Create", "update": "Update", "unchanged": "Unchanged", "refused": "Refused"}
INVITING = {"create": "Will be invited", "unchanged": "Already has an account", "refused": "Refused"}
INVITED = {**INVITING, "create": "Invited"}
COLORS = {"create": "green", "update": "blue", "unchanged": "", "refused": "red"}


@bp.get("/")
@requires(USERS.create)
def index() -> ResponseReturnValue:
    """The form for a file, and the newest imports."""
    return _form()


def _form(error: str = "", status: int = 200) -> ResponseReturnValue:
    recent = db.session.scalars(select(Import).order_by(Import.created_at.desc()).limit(RECENT)).all()
    page: dict[str, Any] = {"recent": recent, "error": error, "encodings": ENCODINGS, "delimiters": DELIMITERS}
    return render("imports/index.html", status=status, **page)


@bp.post("/")
@requires(USERS.create)
def upload() -> ResponseReturnValue:
    """Take a file in, and check it."""
    file = request.files.get("file")
    options: dict[str, Any] = {name: request.form.get(name, "") for name in ("encoding", "delimiter")}
    try:
        if file is None or not file.filename:
            raise Refused("Choose a file.")
        import_id = commands.receive(_name(file.filename), file.stream, options)
    except Refused as refused:
        db.session.rollback()
        return _form(str(refused), 422)
    return redirect(url_for(".show", id=import_id))


upload.longest_body = MOST_BYTES  # type: ignore[attr-defined]


def _name(file_name: str) -> str:
    """The name of the file for people. Nothing else is derived from it."""
    return "".join(one for one in file_name.replace("\\", "/").rpartition("/")[2] if one.isprintable()) or "File"


@bp.get("/<uuid:id>/")
@requires(USERS.create)
def show(id: uuid.UUID) -> ResponseReturnValue:
    """What an import would do or has done: totals, and rows with their verdict."""
    one = _import(id)
    verdict = request.args.get("verdict", "")
    wanted = [ImportRow.verdict == verdict] if verdict in VERDICTS else []
    rows = select(ImportRow).where(ImportRow.import_id == id, *wanted).order_by(ImportRow.number).limit(SHOWN)
    job = db.session.get(Job, one.job_id) if one.job_id else None
    return render(
        "imports/show.html",
        one=one,
        rows=db.session.scalars(rows).all(),
        totals=commands.totals(id),
        verdict=verdict if verdict in VERDICTS else "",
        labels=_labels(one),
        colors=COLORS,
        team=inviting.team_of(one),
        organization=inviting.home_of(one),
        role=checking.role_of(one),
        can_send=can_send(),
        job=job,
        fields=_fields(),
        overwritten=overwriting.FIELDS,
        is_open=bool(job and job.is_open),
    )


def _labels(one: Import) -> dict[str, str]:
    """The verdicts in words."""
    return LABELS if not one.is_pasted else INVITING if one.state in NEW else INVITED


def _fields() -> dict[str, str]:
    """The fields that the actor can choose for a column."""
    is_unlimited = allows(current_actor(), USERS_ANY_TENANT)
    return {name: label for name, label in FIELDS.items() if name != "organization" or is_unlimited}


@bp.post("/<uuid:id>/settings")
@requires(USERS.create)
def settings(id: uuid.UUID) -> ResponseReturnValue:
    """Change what the columns mean and what is to be done, and check the rows again."""
    one = _import(id)
    known = _fields()
    chosen = [request.form.get(f"column-{place}", "") for place in range(len(one.headings))]
    options: dict[str, Any] = {**one.options, "invites": "invites" in request.form}
    options["overwrites"] = [name for name in overwriting.FIELDS if f"overwrite-{name}" in request.form]
    slug = request.form.get("organization", "").strip()
    options.pop("home_id", None), options.pop("slug", None)
    if slug and "organization" in known:
        home = db.session.scalar(by_slug(slug))
        if home is None:
            flash(NO_SUCH_ORGANIZATION.format(slug[:40]), "error")
            return redirect(url_for(".show", id=id))
        options |= {"home_id": str(home.id), "slug": home.slug}
    try:
        commands.change(id, options, [field if field in known else "" for field in chosen])
    except Conflict as conflict:
        flash(conflict.message, "error")
    except Refused as refused:
        flash(str(refused), "error")
    return redirect(url_for(".show", id=id))


@bp.post("/<uuid:id>/start")
@requires(USERS.create)
@reauthentication.required
def start(id: uuid.UUID) -> ResponseReturnValue:
    """Start the import."""
    return _started(commands.begin, id)


@bp.post("/<uuid:id>/undo")
@requires(USERS.delete)
@reauthentication.required
def undo(id: uuid.UUID) -> ResponseReturnValue:
    """Undo the whole import, except for what was changed since."""
    return _started(commands.undo, id)


def _started(act: Any, import_id: uuid.UUID) -> ResponseReturnValue:
    try:
        return redirect(url_for("jobs.show", id=act(import_id)))
    except Conflict as conflict:
        flash(conflict.message, "error")
        return redirect(url_for(".show", id=import_id))


@bp.get("/<uuid:id>/export/refused.csv")
@requires(USERS.create)
def refused(id: uuid.UUID) -> ResponseReturnValue:
    """Download the rows that were refused, with their reasons, to be corrected and imported again."""
    one = _import(id)
    try:
        rows = uploads.table_of(one).rows
    except Refused as refused:
        flash(str(refused), "error")
        return redirect(url_for(".show", id=id))
    return csv_response("refused", _refused(one, rows))


def _refused(one: Import, rows: Iterator[Row]) -> Iterator[list[list[str]]]:
    yield [["Reason", *one.headings]]
    number = 0
    while batch := list(islice(rows, EXPORTED_AT_ONCE)):
        between = ImportRow.number.between(number + 1, number + len(batch)), ImportRow.verdict == "refused"
        found = select(ImportRow.number, ImportRow.reason).where(ImportRow.import_id == one.id, *between)
        reasons = {at: reason for at, reason in db.session.execute(found)}
        yield [[reasons[at] or "", *cells] for at, (_, cells) in enumerate(batch, number + 1) if at in reasons]
        number += len(batch)


def _import(import_id: uuid.UUID) -> Import:
    one = db.session.scalar(select(Import).where(Import.id == import_id))
    if one is None:
        raise Missing
    return one
