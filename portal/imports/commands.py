"""Take a file in, and start the jobs of its import."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select

from portal.core.actor import current_actor
from portal.core.db import command, db, locked
from portal.core.errors import Conflict, Missing
from portal.core.keys import uuid7
from portal.core.retention import in_batches
from portal.imports import checking, staging
from portal.imports.files import MOST_ROWS, Table
from portal.imports.models import Import, ImportRow
from portal.imports.words import Refused
from portal.jobs.commands import start
from portal.jobs.models import Job

CHECKED_AT_ONCE = checking.BATCH  # larger files are checked by a job
LONGEST_NAME = 100
STATEMENT_TIMEOUT = "5min"


@command
def receive(name: str, table: Table, options: dict[str, Any]) -> uuid.UUID:
    """Store the rows of a file, and check them. Raises Refused for a file that can't be read to its end."""
    actor = current_actor()
    if actor.id is None:
        raise Missing
    one = Import(
        id=uuid7(), organization_id=actor.seen_by, owner_id=actor.id, name=name[:LONGEST_NAME], form=table.form
    )
    one.headings, one.fields, one.options = table.headings, table.fields, options
    db.session.add(one)
    db.session.flush()
    db.session.execute(select(func.set_config("statement_timeout", STATEMENT_TIMEOUT, True)))
    one.total = _store(one, table)
    if one.total > MOST_ROWS:
        raise Refused(f"The file has more than {MOST_ROWS:,} rows. Split it into several files.")
    if not one.total:
        raise Refused("This file has a header row, but no people below it.")
    _check(one)
    return one.id


def _store(one: Import, table: Table) -> int:
    """Insert the rows, in batches. COPY doesn't work under row-level security."""
    rows, stored = enumerate(table.rows, 1), 0
    while some := list(itertools.islice(rows, checking.BATCH)):
        lines = {"numbers": [number for number, _ in some], "lines": [line for _, (line, _) in some]}
        cells = [json.dumps(cells, ensure_ascii=False) for _, (_, cells) in some]
        db.session.execute(staging.STORE, {**lines, "cells": cells, "id": one.id, "tenant": one.organization_id})
        stored += len(some)
    return stored


@command
def change(import_id: uuid.UUID, fields: Sequence[str], options: dict[str, Any]) -> Import:
    """Read the columns as other fields, and check the rows again. Raises Missing, Conflict."""
    one = _open(import_id)
    one.fields, one.options = list(fields), options
    _check(one)
    return one


def _check(one: Import) -> None:
    one.state = "read"
    db.session.flush()
    if one.total > CHECKED_AT_ONCE:
        one.job_id = start("import check", f"Check of {one.name}", {"import_id": str(one.id)}, total=one.total)
        return
    _, elsewhere = checking.check(one, 1, parser=checking.parser_of(one))
    one.state = "checked"
    if not checking.count_foreign(elsewhere):
        checking.refuse_all(one)


@command
def begin(import_id: uuid.UUID) -> uuid.UUID:
    """Start the import as a job. Raises Missing, Conflict."""
    one = _open(import_id)
    if one.state != "checked":
        raise Conflict(None, "The file has not been checked yet.")
    one.state = "importing"
    one.job_id = start("import", f"Import of {one.name}", {"import_id": str(one.id)}, total=one.total)
    return one.job_id


@command
def undo(import_id: uuid.UUID) -> uuid.UUID:
    """Start undoing the whole import as a job. Raises Missing, Conflict."""
    one = locked(select(Import).where(Import.id == import_id))
    job = db.session.get(Job, one.job_id) if one.job_id else None
    if one.state not in ("imported", "importing") or (job and job.is_open):
        raise Conflict(None, "This import can't be undone now.")
    one.state = "undoing"
    one.job_id = start("import undo", f"Undo of the import of {one.name}", {"import_id": str(one.id)}, total=one.total)
    return one.job_id


def _open(import_id: uuid.UUID) -> Import:
    """The import, locked, if it has not begun."""
    one = locked(select(Import).where(Import.id == import_id))
    job = db.session.get(Job, one.job_id) if one.job_id else None
    if one.state not in ("read", "checked") or (job and job.is_open):
        raise Conflict(None, "This import has already begun.")
    return one


def remove_old(before: datetime) -> int:
    """Remove the files that were uploaded earlier than `before`."""
    return in_batches(lambda: _remove_old(before))


@command
def _remove_old(before: datetime) -> int:
    old = select(Import.id).where(Import.created_at < before).limit(1)
    gone = delete(Import).where(Import.id.in_(old)).returning(Import.id)
    return len(db.session.scalars(gone, execution_options={"synchronize_session": False}).all())


def totals(import_id: uuid.UUID) -> dict[str, int]:
    """How many rows have each verdict."""
    counted = (
        select(ImportRow.verdict, func.count()).where(ImportRow.import_id == import_id).group_by(ImportRow.verdict)
    )
    return {verdict or "": many for verdict, many in db.session.execute(counted)}
