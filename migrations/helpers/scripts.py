"""Run SQL unchanged, as psql would, from a migration or the file beside it."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op


def run(sql: str) -> None:
    """Run one or more statements. `%` and `:` have no special meaning in them."""
    op.execute(sa.DDL(sql.replace("%", "%%")))  # type: ignore[no-untyped-call]


def run_file(migration: str) -> None:
    """Run the SQL file beside a migration: its `__file__` with the suffix .sql."""
    run(Path(migration).with_suffix(".sql").read_text(encoding="utf-8"))
