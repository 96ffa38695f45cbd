"""The pages of the history, and undo."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue

from portal.activity import queries
from portal.activity.permissions import ACTIVITY_READ
from portal.activity.telling import Entry, days, shown, told
from portal.activity.words import ACTIONS, fields
from portal.core.clock import local, now, zone
from portal.core.db import db
from portal.core.errors import Conflict, Missing
from portal.core.history import Superseded, as_it_was, before
from portal.core.listing import Listing
from portal.organizations import queries as organizations
from portal.resources.resource import Resource
from portal.web.activity_feed import confirm
from portal.web.confirming import ask_first
from portal.web.csv import csv_response
from portal.web.guards import requires
from portal.web.reauthentication import ask
from portal.web.rendering import redirect, render
from portal.web.searching import render_list
from portal.web.urls import here

bp = Blueprint("activity", __name__, url_prefix="/activity")
BATCH = 1_000
HEADINGS = (
    "at", "who", "what", "table", "about", "row_id", "field", "before", "after", "times", "address", "agent",
    "request_id", "operation_id", "more",
)  # fmt: skip


@dataclass(frozen=True)
class Then:
    """A field of a row as it was at some time, and as it is."""

    label: str
    then: str | None
    now: str | None

    @property
    def is_same(self) -> bool:
        return self.then == self.now


class Telling:
    """The feed of portal/web/activity_feed.py, for the pages of features below this one."""

    def of_row(self, table: str, row_id: uuid.UUID) -> Sequence[Entry]:
        rows = db.session.execute(queries.newest_of_row(table, row_id), execution_options={"with_deleted": True})
        return told(rows, of_one_row=True)

    def latest(self) -> Sequence[Entry]:
        return told(db.session.execute(queries.latest(), execution_options={"with_deleted": True}), briefly=True)


@bp.get("/")
@requires(ACTIVITY_READ)
def index() -> ResponseReturnValue:
    """The list of operations."""
    listing = queries.listing(request.args, here())
    export_url = listing.url.replace(listing.path, url_for(".export"), 1)
    return render_list(
        "activity", listing, told=told, days=days, actions=ACTIONS, fields=fields(), export_url=export_url
    )


@bp.get("/export")
@requires(ACTIVITY_READ)
def export() -> ResponseReturnValue:
    """The same events as a file, one line for each changed field."""
    listing = queries.listing(request.args, here())
    return csv_response(f"activity-{now():%Y-%m-%d}", _exported(listing))


@bp.get("/<uuid:id>")
@requires(ACTIVITY_READ)
def show(id: uuid.UUID) -> ResponseReturnValue:
    """One operation with all its events."""
    listing = queries.of_operation(id, request.args, here())
    page = listing.page()
    if not page.rows:
        raise Missing
    return render("activity/show.html", listing=listing, page=page, entries=told(page.rows))


def of_resource(resource: Resource[Any]) -> Blueprint:
    """The history of one row, the row as it was at some time, and undo."""
    own = Blueprint(f"{resource.name}_activity", __name__, url_prefix=f"/activity/{resource.plural}")

    @own.get("/<uuid:id>")
    @requires(resource.permissions.read)
    def show(id: uuid.UUID) -> ResponseReturnValue:
        """The history of one row, and the row as it was at some time."""
        return _of_row(resource, id)

    @own.post("/<uuid:id>/undo")
    @requires(resource.permissions.write)
    def undo(id: uuid.UUID) -> ResponseReturnValue:
        """Undo what made the named version of a row."""
        return _undo(resource, id)

    return own


def _undo(resource: Resource[Any], row_id: uuid.UUID) -> ResponseReturnValue:
    values, back_url = before(resource.records.model, row_id, _version()), resource.url("show", row_id)
    means = resource.means_of_undoing(resource.one(row_id, with_deleted=True), values)
    asked = ask_first("Undo this change?", means, verb="Undo", back_url=back_url)
    if asked or (resource.sensitive & values.keys() and (asked := ask())):
        return asked
    try:
        row = resource.records.undo(row_id, _version())
    except Superseded as error:
        flash(f"Not undone. {_clashes(error)}", "error")
    except Conflict as conflict:
        flash(f"Not undone. {conflict.message}", "error")
    else:
        confirm(row, resource.undone(row, values), resource.undo_url(row_id))
    return redirect(back_url)


def _version() -> int:
    text = request.form.get("version", "")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Missing
    return int(text)


def _clashes(error: Superseded) -> str:
    """Both values of each field that somebody changed since."""
    houses = organizations.names_of(
        value for name, *values in error.clashes if name == "organization_id" for value in values if value
    )
    return " ".join(
        f"{fields().get(name, 'The state')} was changed since: it is {_quoted(name, is_now, houses)} now,"
        f" and was {_quoted(name, before, houses)}."
        for name, is_now, before in error.clashes
    )


def _quoted(name: str, value: Any, houses: Mapping[uuid.UUID, str]) -> str:
    text = _state(value) if name == "deleted_at" else shown(name, value, houses)
    return f"“{text}”" if text else "empty"


def _of_row(resource: Resource[Any], row_id: uuid.UUID) -> ResponseReturnValue:
    row = resource.one(row_id, with_deleted=True)
    listing = queries.of_row(resource.name, row.id, request.args, here())
    page = listing.page()
    at = _moment(request.args.get("at", ""))
    return render(
        "activity/record.html",
        resource=resource,
        row=row,
        listing=listing,
        page=page,
        entries=told(page.rows, of_one_row=True),
        at=at,
        shown_at=local(at or now()),
        past=_compared(resource, row, at) if at else None,
    )


def _compared(resource: Resource[Any], row: Any, at: datetime) -> list[Then] | None:
    """Each field then and now; None where the row was not there yet."""
    past = as_it_was(row, at)
    if past is None:
        return None
    labels = {name: label for name, label in resource.labels.items() if name != "password"}
    is_now = {name: getattr(row, name) for name in labels}
    both = [is_now, {**is_now, **past}]
    houses = organizations.names_of({one["organization_id"] for one in both if one.get("organization_id")})
    fields = [
        Then(label, shown(name, past.get(name, is_now[name]), houses), shown(name, is_now[name], houses))
        for name, label in labels.items()
    ]
    deleted = Then("State", _state(past.get("deleted_at", row.deleted_at)), _state(row.deleted_at))
    return [deleted, *fields]


def _state(deleted_at: datetime | None) -> str:
    return "deleted" if deleted_at else "living"


def _moment(text: str) -> datetime | None:
    """A time as a form's field writes it, by the reader's clock; None for anything else."""
    try:
        at = datetime.fromisoformat(text)
        return local(at.replace(tzinfo=zone()) if at.tzinfo is None else at).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _exported(listing: Listing) -> Iterator[Iterable[Sequence[object]]]:
    yield [HEADINGS]
    for rows in listing.batches(BATCH):
        lines = [line for entry in told(rows, one_by_one=True) for line in _lines(entry)]
        db.session.rollback()  # no connection waits until the batch is sent
        yield lines


def _lines(entry: Entry) -> Iterator[Sequence[object]]:
    what = f"{entry.verb} {entry.preposition}".strip()
    head = (entry.at.isoformat(), entry.who, what, entry.table, entry.subject, entry.row_id)
    tail = (entry.times, entry.address, entry.agent, entry.request_id, entry.operation_id, entry.rest)
    if not entry.differences:
        yield (*head, None, None, None, *tail)
    for one in entry.differences:
        yield (
            *head,
            one.label,
            "(secret)" if one.is_secret else one.before,
            "(secret)" if one.is_secret else one.after,
            *tail,
        )
