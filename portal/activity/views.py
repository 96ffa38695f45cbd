"""The pages of the history, and undo."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal.activity import follow_views, follows, periods, queries
from portal.activity.entries import Entry, days, entries_of
from portal.activity.operation_undo import JOB, can_be_undone, parts_of
from portal.activity.permissions import ACTIVITY_READ
from portal.activity.row_names import Names, in_words, key_of, names_of
from portal.core.clock import local, now, zone
from portal.core.db import db
from portal.core.errors import Conflict, Missing
from portal.core.history import Superseded, as_it_was, before
from portal.core.listing import Listing
from portal.resources.arrange_page import arrange_page
from portal.resources.changes import inside
from portal.resources.columns import Column
from portal.resources.deciding import Decision, decide
from portal.resources.opening import open_list, opened, query_of
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
MANY = 5  # fields that a sentence doesn't name one by one
HEADINGS = (
    "at", "actor", "what", "table", "about", "row_id", "field", "before", "after", "times", "address", "agent",
    "request_id", "operation_id",
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


@dataclass(frozen=True)
class ActivityList:
    """What portal/resources/opening.py asks of a list."""

    name: str = "activity"
    plural: str = "activity"
    columns: Sequence[Column] = ()

    def url(self, page: str) -> str:
        return url_for(f"{self.name}.{page}")


LISTED = ActivityList()


def _listed(arguments: Mapping[str, str]) -> Listing:
    return queries.listing(arguments, here())


class Feed:
    """The feed of portal/web/activity_feed.py, for the pages of features below this one."""

    def of_row(self, table: str, row_id: uuid.UUID) -> Sequence[Entry]:
        return entries_of(queries.newest_of_row(table, row_id), of_one_row=True)

    def latest(self) -> Sequence[Entry]:
        return entries_of(queries.latest(), briefly=True)

    def listing(self, arguments: Mapping[str, str], path: str) -> Listing:
        return queries.listing(arguments, path)

    def is_followed(self, table: str, row_id: uuid.UUID) -> bool:
        return follows.is_followed(current_user.id, table, row_id)


@bp.get("/")
@requires(ACTIVITY_READ)
def index() -> ResponseReturnValue:
    """The list of operations."""
    listing = open_list(LISTED, _listed, opens=True)
    export_url = listing.url.replace(listing.path, url_for(".export"), 1)
    return render_list(
        "activity",
        listing,
        resource=LISTED,
        opened=opened(listing, LISTED.name),
        query=query_of(listing),
        arrange_url=listing.url.replace(listing.path, url_for(".arrange"), 1),
        entries_of=entries_of,
        days=days,
        periods=periods.links(listing),
        export_url=export_url,
    )


@bp.get("/export")
@requires(ACTIVITY_READ)
def export() -> ResponseReturnValue:
    """Export every event of the listed operations as CSV, one line per changed field."""
    return csv_response(f"activity-{now():%Y-%m-%d}", _exported(open_list(LISTED, _listed)))


@bp.route("/arrange", methods=["GET", "POST"])
@requires(ACTIVITY_READ)
def arrange() -> ResponseReturnValue:
    """Choose how many operations the list shows, and the view with which it opens."""
    return arrange_page(LISTED, open_list(LISTED, _listed))


@bp.get("/<uuid:id>")
@requires(ACTIVITY_READ)
def show(id: uuid.UUID) -> ResponseReturnValue:
    """One operation with all its events."""
    listing = queries.of_operation(id, request.args, here())
    page = listing.page()
    if not page.rows:
        raise Missing
    undo_url = url_for(".undo", id=id) if can_be_undone(id) else None
    return render("activity/show.html", listing=listing, page=page, entries=entries_of(page.rows), undo_url=undo_url)


@bp.post("/<uuid:id>/undo")
@requires(ACTIVITY_READ)
def undo(id: uuid.UUID) -> ResponseReturnValue:
    """Undo all changes of an operation that nobody has superseded since."""
    return decide(
        Decision(
            title="Undo this change of {}",
            verb="Undo",
            done="Change of {} undone.",
            parts=parts_of(id),
            fields=(),
            back_url=url_for(".show", id=id),
            job=JOB,
            arguments={"operation": str(id)},
        )
    )


def of_resource(resource: Resource[Any]) -> Blueprint:
    """The history of one row, the row as it was at some time, and undo."""
    own = Blueprint(f"{resource.name}_activity", __name__, url_prefix=f"/activity/{'-'.join(resource.plural.split())}")

    @own.get("/<uuid:id>")
    @requires(resource.permissions.read)
    def show(id: uuid.UUID) -> ResponseReturnValue:
        """The history of one row, and the row as it was at some time."""
        return _of_row(resource, id)

    @own.post("/<uuid:id>/undo")
    @requires(resource.permissions.write)
    def undo(id: uuid.UUID) -> ResponseReturnValue:
        """Undo the change that led to the given version of the row."""
        return _undo(resource, id)

    if resource.name in follows.COLUMNS:
        own.post("/<uuid:id>/follow")(follow_views.of_resource(resource))
    return own


def _undo(resource: Resource[Any], row_id: uuid.UUID) -> ResponseReturnValue:
    values, back_url = before(resource.records.model, row_id, _version()), resource.url("show", row_id)
    consequences = resource.consequences_of_undoing(resource.one(row_id, with_deleted=True), values)
    asked = ask_first("Undo this change?", consequences, verb="Undo", back_url=back_url)
    if asked or (resource.sensitive & values.keys() and (asked := ask())):
        return asked
    try:
        row = resource.records.undo(row_id, _version())
    except Superseded as error:
        flash(f"Not undone. {_clashes(resource, error)}", "error")
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


def _clashes(resource: Resource[Any], error: Superseded) -> str:
    """The current and the former value of each field that somebody changed since."""
    names = _names(resource, [(name, value) for name, *values in error.clashes for value in values])
    return " ".join(
        f"{resource.labels.get(name, 'State')} has changed since:"
        f" it is now {_quoted(resource, name, is_now, names)}, and was {_quoted(resource, name, before, names)}."
        for name, is_now, before in error.clashes
    )


def _names(resource: Resource[Any], values: Iterable[tuple[str, Any]]) -> Names:
    """The names of rows that these values of columns refer to."""
    keys = (key_of(resource.references.get(name), value) for name, value in values)
    return names_of(key for key in keys if key)


def _quoted(resource: Resource[Any], name: str, value: Any, names: Names) -> str:
    text = _state(value) if name == "deleted_at" else in_words(resource, name, value, names)
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
        entries=entries_of(page.rows, of_one_row=True),
        at=at,
        shown_at=local(at or now()),
        past=_compared(resource, row, at) if at else None,
        compared=_fields_in_words(resource),
    )


def _fields_in_words(resource: Resource[Any]) -> str:
    """The compared fields in a sentence: by name if they are few, such as "its name and description"."""
    *others, last = (inside(label) for label in resource.labels.values())
    return f"its {', '.join(others)} and {last}" if 0 < len(others) < MANY else "all fields below"


def _compared(resource: Resource[Any], row: Any, at: datetime) -> list[Then] | None:
    """Each field then and now; None if the row was not there yet."""
    past = as_it_was(row, at)
    if past is None:
        return None
    labels = {name: label for name, label in resource.labels.items() if name != "password"}
    is_now = {name: getattr(row, name) for name in labels}
    then = {name: past.get(name, value) for name, value in is_now.items()}
    names = _names(resource, [*is_now.items(), *then.items()])
    fields = [
        Then(label, in_words(resource, name, then[name], names), in_words(resource, name, is_now[name], names))
        for name, label in labels.items()
    ]
    deleted = Then("State", _state(past.get("deleted_at", row.deleted_at)), _state(row.deleted_at))
    return [deleted, *fields]


def _state(deleted_at: datetime | None) -> str:
    return "deleted" if deleted_at else "not deleted"


def _moment(text: str) -> datetime | None:
    """A time from a form field, in the reader's time zone; None for anything else."""
    try:
        at = datetime.fromisoformat(text)
        return local(at.replace(tzinfo=zone()) if at.tzinfo is None else at).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _exported(listing: Listing) -> Iterator[Iterable[Sequence[object]]]:
    yield [HEADINGS]
    for operations in listing.batches(BATCH):
        for rows in queries.events_of(operations, BATCH, listing.sort):
            lines = [line for entry in entries_of(rows, one_by_one=True) for line in _lines(entry)]
            db.session.rollback()  # no connection waits until the batch is sent
            yield lines


def _lines(entry: Entry) -> Iterator[Sequence[object]]:
    head = (entry.at.isoformat(), entry.actor, entry.what, entry.table, entry.subject, entry.row_id)
    tail = (entry.times, entry.address, entry.agent, entry.request_id, entry.operation_id)
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
