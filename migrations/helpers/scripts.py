"""Run SQL exactly as it stands in a migration or in the file beside it, as psql would."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op


def run(sql: str) -> None:
    """Run one or more statements. Neither `%` nor `:` means anything in them."""
    op.execute(sa.DDL(sql.replace("%", "%%")))  # type: ignore[no-untyped-call]


def run_file(migration: str) -> None:
    """Run the SQL beside a migration: its own `__file__`, with the ending .sql."""
    run(Path(migration).with_suffix(".sql").read_text(encoding="utf-8"))
