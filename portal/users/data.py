"""Everything that is stored about a person, as a JSON file: what permanent deletion removes, and the history."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

from flask import Response
from sqlalchemy import LargeBinary, Table, select

from portal.core.actor import SYSTEM
from portal.core.clock import now
from portal.core.db import acting_as, db
from portal.core.history import Activity, came, record
from portal.core.purging import belongings
from portal.core.row_security import SECRETS
from portal.users.actions import DATA_DOWNLOADED
from portal.users.models import User
from portal.web.csv import download

LEFT_OUT = ("sort_name", "search_text", "created_by", "updated_by", "deleted_by")  # derived, or keys of others
AT_ONCE = 1_000


def download_data(user: User) -> Response:
    """Stream the data of a person whom the actor sees, and record that in the history."""
    parts, tenant = _parts(user.id), user.seen_by
    return download(
        f"person-{user.id}-{now():%Y-%m-%d}.json",
        "application/json",
        parts,
        recording=lambda: record(DATA_DOWNLOADED, about=user.id, tenant=tenant),
    )


def _parts(user_id: uuid.UUID) -> Iterator[bytes]:
    yield b"{"
    for table, column in belongings(User).items():
        yield f"{_json(table.name)}: {_json(list(_rows(table, column, user_id)))},\n".encode()
    yield b'"history": ['
    separator = ""
    for event in _history(user_id):
        yield f"{separator}\n{_json(event)}".encode()
        separator = ","
    yield b"]}\n"


def _rows(table: Table, column: str, user_id: uuid.UUID) -> Iterator[dict[str, Any]]:
    """The rows that belong to the person, without secrets. Their own tenant can't read all of these tables."""
    hidden = {*SECRETS.get(table.name, ()), *LEFT_OUT}
    shown = [one for one in table.columns if one.name not in hidden and not isinstance(one.type, LargeBinary)]
    with acting_as(SYSTEM):
        found = db.session.execute(select(*shown).where(table.columns[column] == user_id)).mappings().all()
    yield from map(dict, found)


def _history(user_id: uuid.UUID) -> Iterator[dict[str, Any]]:
    """The events about the person that the actor sees, oldest first, with origins only of the person's own actions."""
    columns = (Activity.id, Activity.at, Activity.action, Activity.changes, Activity.actor_id, Activity.times)
    about = select(*columns, Activity.address, Activity.agent).where(
        Activity.table_name == User.__tablename__, Activity.row_id == user_id
    )
    newest = 0
    while found := db.session.execute(about.where(Activity.id > newest).order_by(Activity.id).limit(AT_ONCE)).all():
        db.session.rollback()
        for one in found:
            is_own = one.actor_id == user_id
            yield {
                "at": one.at,
                "action": one.action,
                "times": one.times,
                "changes": None if came(User, one.changes or {}) else one.changes,
                "by": user_id if is_own else None,
                "address": one.address if is_own else None,
                "agent": one.agent if is_own else None,
            }
        newest = found[-1].id


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_text)


def _text(value: Any) -> str:
    return str(value.isoformat() if hasattr(value, "isoformat") else getattr(value, "name", value))
