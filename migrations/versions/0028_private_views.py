"""The history of private saved views is visible only to their owner."""

from __future__ import annotations

from pathlib import Path

from migrations.helpers.scripts import run, run_file

revision = "0028_private_views"
down_revision = "0027_sorting"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file(__file__)


def downgrade() -> None:
    """Later events of private views stay without an organization."""
    run(Path(__file__).with_name(f"{revision}_former.sql").read_text(encoding="utf-8"))
