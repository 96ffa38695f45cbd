"""The actor's previous queries, read from the history."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Select, select

from portal.core.actor import current_actor
from portal.core.operations import Operation
from portal.data_browser.actions import DATA_BROWSER_QUERIED

KEPT = 50


def own() -> Select[Any]:
    """The newest queries, with their keys for URLs."""
    mine = Operation.shown(), Operation.actor_id == current_actor().id, Operation.action == DATA_BROWSER_QUERIED.name
    found = select(Operation.key, Operation.at, Operation.changes["query"][1].astext.label("query")).where(*mine)
    return found.order_by(Operation.at.desc(), Operation.key.desc()).limit(KEPT)


def own_one(key: uuid.UUID) -> Select[Any]:
    return own().where(Operation.key == key)
