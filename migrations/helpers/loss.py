"""Refuse to drop what nobody could bring back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op

ASKED = "drop-history"


def refuse_to_lose(table: str) -> None:
    """Refuse, while the table holds rows, unless the command line says `-x drop-history=yes`."""
    asked = context.get_x_argument(as_dictionary=True).get(ASKED)
    if asked != "yes" and op.get_bind().scalar(sa.text(f"SELECT EXISTS (SELECT FROM {table})")):  # noqa: S608
        raise SystemExit(
            f"This would drop the history for ever ({table}). Nothing was dropped. Make a dump, then run"
            f" `flask db downgrade -x {ASKED}=yes <revision>`, or stay: `flask db upgrade` leads back."
        )
