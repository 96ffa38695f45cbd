"""Apply many changes of sizes in one pass at the commit."""

from __future__ import annotations

from pathlib import Path

from migrations.helpers.scripts import run, run_file

revision = "0031_sizes"
down_revision = "0030_invitations"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file(__file__)


def downgrade() -> None:
    run(Path(__file__).with_name(f"{revision}_former.sql").read_text(encoding="utf-8"))
