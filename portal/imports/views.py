"""The pages of imports."""

from __future__ import annotations

import uuid
from typing import Any

from flask import flash, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from portal.core.actor import current_actor
from portal.core.db import db
from portal.core.errors import Conflict, Missing, NotAllowed
from portal.core.policy import allows
from portal.imports import commands, dates, inviting, people_by_sql, remembering, uploads
from portal.imports import refused as rows_refused
from portal.imports.files import DELIMITERS, ENCODINGS, MOST_BYTES, MOST_ROWS, NO_HEADER
from portal.imports.importer import Importer
from portal.imports.importers import PEOPLE, importer_of, offered
from portal.imports.models import VERDICTS, Import, ImportRow
from portal.imports.seats import shortages
from portal.imports.words import Refused
from portal.jobs.models import Job
from portal.mail.notices import can_send
from portal.organizations.queries import by_slug
from portal.users.permissions import USERS
from portal.web import load, reauthentication
from portal.web.guards import requires
from portal.web.rendering import redirect, render

bp = inviting.bp
LONGEST_CHOICE = 20
RECENT = 20
NEW = ("read", "checked")
SHOWN = 50
SAMPLED = 5
NO_SUCH_ORGANIZATION = "There is no organization with the URL name “{}”."
LABELS = {"create": "Create", "update": "Update", "unchanged": "Unchanged", "refused": "Refused"}
INVITING = {"create": "Will be invited", "unchanged": "Has an account", "refused": "Refused"}
INVITED = {**INVITING, "create": "Invited"}
COLORS = {"create": "green", "update": "blue", "unchanged": "", "refused": "red"}


@bp.get("/")
@requires(USERS.create)
def index() -> ResponseReturnValue:
    """The form for a file, and the newest imports."""
    return _form()


def _form(error: str = "", status: int = 200) -> ResponseReturnValue:
    recent = select(Import).where(Import.state != "removed").order_by(Import.created_at.desc()).limit(RECENT)
    page: dict[str, Any] = {"error": error, "encodings": ENCODINGS, "delimiters": DELIMITERS}
    page["offered"], chosen = offered(), request.values.get("resource", PEOPLE.resource.name)
    page["chosen"] = page["offered"].get(chosen, PEOPLE).resource
    page["recent"] = db.session.scalars(recent.where(Import.resource.in_(page["offered"]))).all()
    return render("imports/index.html", status=status, **page)


@bp.post("/")
@requires(USERS.create)
def upload() -> ResponseReturnValue:
    """Take a file in, and check it."""
    file = request.files.get("file")
    try:
        if file is None or not file.filename:
            raise Refused("Choose a file.")
        resource = request.form.get("resource", PEOPLE.resource.name)
        if resource not in offered():
            raise Refused("Choose what the file contains.")
        with load.uploads.held(current_actor().id):
            import_id = commands.receive(_name(file.filename), file.stream, _reading(), resource)
    except Refused as refused:
        db.session.rollback()
        return _form(str(refused), 422)
    except Conflict as conflict:
        return _form(conflict.message, 409)
    return redirect(url_for(".show", id=import_id))


upload.longest_body = MOST_BYTES  # type: ignore[attr-defined]


def _name(file_name: str) -> str:
    """The name of the file for people. Nothing else is derived from it."""
    return "".join(one for one in file_name.replace("\\", "/").rpartition("/")[2] if one.isprintable()) or "File"


@bp.get("/<uuid:id>/")
@requires(USERS.create)
def show(id: uuid.UUID) -> ResponseReturnValue:
    """What an import would do or has done: totals, and rows with their verdict, a page of them after a number."""
    one, importer = _import(id)
    verdict, after = request.args.get("verdict", ""), request.args.get("after", 0, type=int)
    wanted = [ImportRow.verdict == verdict] if verdict in VERDICTS else []
    place = ImportRow.import_id == id, ImportRow.number > max(0, min(after, MOST_ROWS))
    found = select(ImportRow).where(*place, *wanted).order_by(ImportRow.number).limit(SHOWN + 1)
    rows = db.session.scalars(found).all()
    job = db.session.get(Job, one.job_id) if one.job_id else None
    return render(
        "imports/show.html",
        one=one,
        resource=importer.resource,
        rows=rows[:SHOWN],
        after=after,
        has_more=len(rows) > SHOWN,
        totals=commands.totals(id),
        shortages=shortages(one, importer) if one.state == "checked" else (),
        verdict=verdict if verdict in VERDICTS else "",
        labels=_labels(one),
        colors=COLORS,
        team=inviting.team_of(one),
        organization=inviting.home_of(one),
        role=people_by_sql.role_of(one),
        can_send=can_send(),
        job=job,
        fields=importer.words.fields,
        names_organization=names_organization(importer),
        overwritten=importer.overwritten(),
        orders=dates.ORDERS if one.options.get(commands.DATES_FOUND) else {},
        order=one.options.get(commands.DATES) or one.options.get(commands.DATES_FOUND),
        encodings=ENCODINGS,
        delimiters=DELIMITERS,
        lines=_lines(one),
        shown=[row for row in one.sample if row[0] > one.header][:SAMPLED],
        remembered=one.options.get(remembering.BY),
        is_open=bool(job and job.is_open),
    )


def _lines(one: Import) -> list[tuple[Any, str]]:
    """The lines that can be the header row."""
    first = ((line, f"Line {line}: {', '.join(cells)}") for line, cells in one.sample)
    return [(NO_HEADER, "No header row"), *first]


def _labels(one: Import) -> dict[str, str]:
    """The verdicts in words."""
    return LABELS if not one.is_pasted else INVITING if one.state in NEW else INVITED


def names_organization(importer: Importer) -> bool:
    """Whether the actor can choose the organization of rows that don't name one."""
    return current_actor().is_unlimited and not {"organization", "organization_id"}.isdisjoint(importer.words.fields)


@bp.post("/<uuid:id>/settings")
@requires(USERS.create)
def settings(id: uuid.UUID) -> ResponseReturnValue:
    """Change what the columns mean and what is to be done, and check the rows again."""
    one, importer = _import(id)
    known = importer.words.fields
    chosen = [request.form.get(f"column-{place}", "") for place in range(len(one.headings))]
    options: dict[str, Any] = {**one.options, **_reading(), "invites": "invites" in request.form}
    options["overwrites"] = [name for name in importer.overwritten() if f"overwrite-{name}" in request.form]
    options[commands.DATES] = next((order for order in dates.ORDERS if request.form.get("dates") == order), "")
    slug = request.form.get("organization", "").strip()
    for name in ("home_id", "slug", remembering.BY):
        options.pop(name, None)
    if slug and names_organization(importer):
        home = db.session.scalar(by_slug(slug))
        if home is None:
            flash(NO_SUCH_ORGANIZATION.format(slug[:40]), "error")
            return redirect(url_for(".show", id=id))
        options |= {"home_id": str(home.id), "slug": home.slug}
    try:
        with load.uploads.held(current_actor().id):
            commands.change(id, options, [field if field in known else "" for field in chosen])
    except Conflict as conflict:
        flash(conflict.message, "error")
    except Refused as refused:
        flash(str(refused), "error")
    return redirect(url_for(".show", id=id))


def _reading() -> dict[str, Any]:
    """How the file is to be read: what isn't chosen is detected."""
    return {name: request.form.get(name, "")[:LONGEST_CHOICE] for name in uploads.READING}


@bp.post("/<uuid:id>/start")
@requires(USERS.create)
@reauthentication.required
def start(id: uuid.UUID) -> ResponseReturnValue:
    """Start the import."""
    return _started(commands.begin, id, "create")


@bp.post("/<uuid:id>/undo")
@requires(USERS.delete)
@reauthentication.required
def undo(id: uuid.UUID) -> ResponseReturnValue:
    """Undo the whole import, except for what was changed since."""
    return _started(commands.undo, id, "delete")


def _started(act: Any, import_id: uuid.UUID, permission: str) -> ResponseReturnValue:
    _, importer = _import(import_id)
    if not allows(current_actor(), importer.needs(permission)):
        raise NotAllowed
    db.session.rollback()
    try:
        return redirect(url_for("jobs.show", id=act(import_id)))
    except Conflict as conflict:
        flash(conflict.message, "error")
        return redirect(url_for(".show", id=import_id))


@bp.get("/<uuid:id>/export/refused")
@requires(USERS.create)
def refused(id: uuid.UUID) -> ResponseReturnValue:
    """Download the rows that were refused, with their reasons, to be corrected and imported again."""
    try:
        return rows_refused.response(_import(id)[0])
    except Refused as refused:
        flash(str(refused), "error")
        return redirect(url_for(".show", id=id))


def _import(import_id: uuid.UUID) -> tuple[Import, Importer]:
    one = db.session.scalar(select(Import).where(Import.id == import_id, Import.state != "removed"))
    if one is None:
        raise Missing
    importer = importer_of(one)
    if not importer.is_offered():
        raise NotAllowed
    return one, importer
