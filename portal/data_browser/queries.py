"""The actor's former queries, from the history: there is no second list."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Select, select

from portal.core.actor import current_actor
from portal.core.history import Activity

KEPT = 50
ACTION = "browser_queried"


def own() -> Select[Any]:
    """The newest queries, and their keys in URLs."""
    mine = Activity.is_first, Activity.actor_id == current_actor().id, Activity.action == ACTION
    found = select(Activity.key, Activity.at, Activity.changes["query"][1].astext.label("query")).where(*mine)
    return found.order_by(Activity.at.desc(), Activity.key.desc()).limit(KEPT)


def own_one(key: uuid.UUID) -> Select[Any]:
    return own().where(Activity.key == key)
