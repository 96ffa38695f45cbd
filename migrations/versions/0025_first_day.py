"""Imports contain the first day of access."""

from __future__ import annotations

from pathlib import Path

from migrations.helpers.scripts import run, run_file

revision = "0025_first_day"
down_revision = "0024_brand"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file(__file__)


def downgrade() -> None:
    """First days of imports that have not begun are lost."""
    run(Path(__file__).with_name(f"{revision}_former.sql").read_text(encoding="utf-8"))
    run("ALTER TABLE import_rows DROP COLUMN activates_on")
