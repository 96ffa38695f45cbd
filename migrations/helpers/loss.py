"""Refuse to drop data that can't be restored."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

OPTION = "drop-history"


def refuse_to_lose(table: str) -> None:
    """Refuse to drop a table with rows, unless the command line has `-x drop-history=yes`."""
    confirmed = context.get_x_argument(as_dictionary=True).get(OPTION)
    if confirmed != "yes" and op.get_bind().scalar(sa.text(f"SELECT EXISTS (SELECT FROM {table})")):  # noqa: S608
        raise SystemExit(
            f"This would permanently drop the history ({table}). Nothing was dropped. Make a dump, then run"
            f" `flask db downgrade -x {OPTION}=yes <revision>`, or undo the downgrade with `flask db upgrade`."
        )
