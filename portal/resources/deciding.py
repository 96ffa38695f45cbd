"""Show what a change to many rows will do, ask for confirmation and for the password, then carry it out.

The confirmation is bound to exactly these rows. If they changed in the meantime, it is asked for again, with the
difference.
"""

from __future__ import annotations

import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import flash, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from portal.core.bulk import BulkChange, Verdict, among, carry_out
from portal.core.counts import number_of
from portal.core.db import db
from portal.core.errors import Conflict
from portal.jobs.commands import start
from portal.jobs.kinds import Kept
from portal.jobs.models import Job
from portal.resources.resource import Resource, resources
from portal.web.activity_feed import offer_undo
from portal.web.confirming import FIELD, digest_of, is_confirmed, render_question
from portal.web.reauthentication import ask
from portal.web.rendering import redirect

SEEN = "seen"
AT_ONCE = 10_000  # rows that a request changes, within two seconds; for more there is a job
NAMED = 5  # rows of each reason
COMPARED = 400  # rows whose keys a confirmation contains, to name those that were added or removed since
UNAVAILABLE = "Deleted in the meantime, or not visible to you"
CHANGED = "This changed since you were asked, so nothing was done yet: it was {}, and is {} now."
NOTHING = "Nothing to change"


@dataclass(frozen=True)
class Part:
    """Rows of one resource, and what is done with them."""

    resource: Resource[Any]
    change: BulkChange
    ids: Sequence[uuid.UUID]


@dataclass(frozen=True)
class Decision:
    """A change that somebody decides on. In `title` and `done`, {} is the number of rows, {entry} what was entered."""

    title: str  # without a question mark
    verb: str
    done: str
    parts: Sequence[Part]
    fields: Sequence[tuple[str, str]]  # which lead here again
    back_url: str
    entry: str = ""
    is_risky: bool = False
    job: str = ""  # the kind of job that makes a large change
    arguments: Mapping[str, Any] = field(default_factory=dict)  # of the job


def decide(decision: Decision) -> ResponseReturnValue:
    """Ask what has to be asked, then carry it out and return to the list."""
    parts = decision.parts
    verdicts = [one.change.judged(one.ids) for one in parts]
    if FIELD not in request.form:
        return _ask(decision, verdicts)
    changed = [(one.change, verdict.changed) for one, verdict in zip(parts, verdicts, strict=True)]
    if any(change.is_sensitive(ids) for change, ids in changed) and (asked := ask()):
        return asked
    try:
        for change, ids in changed:
            change.prepare(ids)
        if sum(len(ids) for _, ids in changed) > AT_ONCE:
            return _start(decision)
        verdicts, operation = carry_out(
            [(one.change, one.ids) for one in parts],
            lambda now: is_confirmed(request.form.get(FIELD), _confirmable(decision, now)),
        )
    except Conflict as conflict:
        flash(f"Nothing was changed. {conflict.message}", "error")
        return redirect(decision.back_url)
    if operation is None:
        return _ask(decision, verdicts)
    _tell(decision, verdicts, operation)
    return redirect(decision.back_url)


def _start(decision: Decision) -> ResponseReturnValue:
    """Start a job for the confirmed rows, which it changes in one transaction."""
    verdicts = [one.change.judged(one.ids) for one in decision.parts]
    if not is_confirmed(request.form.get(FIELD), _confirmable(decision, verdicts)):
        return _ask(decision, verdicts)
    title = decision.title.format(called(decision.parts, verdicts), entry=decision.entry)
    arguments = {**decision.arguments, "rows": [encoded(one.changed) for one in verdicts]}
    job = start(decision.job, title, arguments, total=sum(len(one.changed) for one in verdicts))
    flash("This takes a moment. You can leave this page: you'll see when it is done.", "success")
    return redirect(url_for("jobs.show", id=job))


def job_for(resource: Resource[Any], *, is_by_system: bool) -> str:
    """The kind of job that makes a large change."""
    return f"change {resource.name}{' for its owner' if is_by_system else ''}"


def _confirmable(decision: Decision, verdicts: Sequence[Verdict]) -> list[str]:
    """What a confirmation is bound to: the action with what was entered, and the verdict on each row."""
    return [decision.title, *(f"{name}={value}" for name, value in decision.fields), *(one.digest for one in verdicts)]


def _tell(decision: Decision, verdicts: Sequence[Verdict], operation: uuid.UUID) -> None:
    text = decision.done.format(called(decision.parts, verdicts), entry=decision.entry)
    if kept := sum(map(len, (ids for one in verdicts for ids in one.refused.values()))):
        text += f" {kept:,} left as {'it was' if kept == 1 else 'they were'}."
    if all(one.change.is_undoable for one in decision.parts):
        offer_undo(text, url_for("activity.undo", id=operation))
    else:
        flash(text, "success")


def _ask(decision: Decision, verdicts: Sequence[Verdict]) -> ResponseReturnValue:
    """The page that says what will happen. If it was confirmed for other rows, it says what changed since."""
    parts, is_any = decision.parts, any(one.changed for one in verdicts)
    pairs = list(zip(parts, verdicts, strict=True))
    title = decision.title.format(called(parts, verdicts), entry=decision.entry)
    return render_question(
        f"{title}?" if is_any else NOTHING,
        [sentence for part, one in pairs if one.changed for sentence in part.change.consequences(one.changed)],
        verb=decision.verb if is_any else "",
        back_url=decision.back_url,
        fields=[*decision.fields, (FIELD, digest_of(_confirmable(decision, verdicts))), (SEEN, _packed(verdicts))],
        risky=decision.is_risky,
        body="resources/_verdict.html",
        kept=[one for part, verdict in pairs for one in _kept(part, verdict)],
        changes=_changes_since(parts, verdicts) if FIELD in request.form else [],
    )


def called(parts: Sequence[Part], verdicts: Sequence[Verdict]) -> str:
    """The changed rows: the only one by name, or how many there are of each resource."""
    found: dict[str, tuple[Resource[Any], set[uuid.UUID]]] = {}
    for part, verdict in zip(parts, verdicts, strict=True):
        found.setdefault(part.resource.name, (part.resource, set()))[1].update(verdict.changed)
    rows = [(resource, ids) for resource, ids in found.values() if ids]
    if len(rows) == 1 and len(rows[0][1]) == 1:
        return "".join(_names(rows[0][0], list(rows[0][1])))
    return " and ".join(number_of(len(ids), resource.noun, resource.plural) for resource, ids in rows)


def _kept(part: Part, verdict: Verdict) -> Iterator[Kept]:
    for reason, ids in verdict.refused.items():
        yield Kept(reason, len(ids), _names(part.resource, ids[:NAMED]))
    if verdict.missing:
        yield Kept(UNAVAILABLE, verdict.missing, ())


def result_of(parts: Sequence[Part], verdicts: Sequence[Verdict], operation: uuid.UUID | None) -> dict[str, Any]:
    """The result of a job: the operation, and the rows left unchanged, by key, as names can change."""
    pairs = list(zip(parts, verdicts, strict=True))
    kept = [
        [part.resource.name, reason, len(ids), encoded(ids[:NAMED])]
        for part, one in pairs
        for reason, ids in one.refused.items()
    ] + [[part.resource.name, UNAVAILABLE, one.missing, ""] for part, one in pairs if one.missing]
    return {"kept": kept, **({"operation": str(operation)} if operation else {})}


def kept_by(job: Job) -> list[Kept]:
    """The rows that a job left unchanged, with the names of those that the actor may see."""
    return [
        Kept(reason, many, _names(resources()[table], decoded(ids)))
        for table, reason, many, ids in job.result.get("kept", ())
    ]


def _names(resource: Resource[Any], ids: Sequence[uuid.UUID]) -> list[str]:
    """The names of those rows that the actor may see, also of deleted ones."""
    model: Any = resource.records.model
    found = db.session.scalars(select(model).where(among(model.id, ids)), execution_options={"with_deleted": True})
    titles = {row.id: resource.title_of(row) for row in found}
    return [titles[key] for key in ids if key in titles]


def encoded(ids: Iterable[uuid.UUID]) -> str:
    return urlsafe_b64encode(b"".join(key.bytes for key in ids)).decode()


def decoded(text: str) -> list[uuid.UUID]:
    """The keys of `encoded`; none if the text is invalid."""
    try:
        raw = urlsafe_b64decode(text)
        return [uuid.UUID(bytes=raw[place : place + 16]) for place in range(0, len(raw), 16)]
    except ValueError:
        return []


def _packed(verdicts: Sequence[Verdict]) -> str:
    """The number of changed rows, and their keys unless they are many. Only shown, never acted on."""
    ids = [key for one in verdicts for key in one.changed]
    return f"{len(ids)}.{encoded(ids if len(ids) <= COMPARED else ())}"


def _changes_since(parts: Sequence[Part], verdicts: Sequence[Verdict]) -> list[str]:
    """What differs from the rows that were confirmed, as sentences."""
    many, _, text = request.form.get(SEEN, "").partition(".")
    ids = [key for one in verdicts for key in one.changed]
    before = int(many) if many.isascii() and many.isdigit() and len(many) < 10 else 0
    sentences = [CHANGED.format(f"{before:,}", f"{len(ids):,}")]
    seen = decoded(text)
    if seen and len(ids) <= COMPARED:
        lost, added = [key for key in seen if key not in ids], [key for key in ids if key not in seen]
        sentences += [f"Added: {_listed(parts, added)}."] * bool(added)
        sentences += [f"No longer included: {_listed(parts, lost)}."] * bool(lost)
    return sentences


def _listed(parts: Sequence[Part], ids: Sequence[uuid.UUID]) -> str:
    names = [
        name
        for resource in {one.resource.name: one.resource for one in parts}.values()
        for name in _names(resource, ids)
    ]
    shown = names[:NAMED]
    rest = len(ids) - len(shown)
    return ", ".join([*shown, *([f"{rest:,} more" if shown else f"{rest:,}"] if rest else [])])
