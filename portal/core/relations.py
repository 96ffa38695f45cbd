"""Link rows of one tenant, such as a person and a team, and remove the links."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from portal.core.db import command, db
from portal.core.models import Link


@command
def link(model: type[Link], organization_id: uuid.UUID, keys: Mapping[str, uuid.UUID]) -> bool:
    """Link two rows, given by the link's columns; False if they are linked already.

    Raises Conflict if one of them is gone or no longer in the organization,
    NotAllowed if it isn't the actor's organization.
    """
    statement = insert(model).values(organization_id=organization_id, **keys)
    made = statement.on_conflict_do_nothing().returning(model.organization_id)
    return db.session.execute(made).first() is not None


@command
def unlink(model: type[Link], keys: Mapping[str, uuid.UUID]) -> bool:
    """Remove the link between two rows; False if there is none."""
    linked: Any = (getattr(model, name) == key for name, key in keys.items())
    return db.session.execute(delete(model).where(*linked).returning(model.organization_id)).first() is not None
