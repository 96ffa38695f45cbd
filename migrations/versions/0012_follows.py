"""Organizations and people that somebody follows, for a daily email."""

from __future__ import annotations

from migrations.helpers.scripts import run, run_file

revision = "0012_follows"
down_revision = "0011_totals_by_day"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file(__file__)


def downgrade() -> None:
    run("DROP TABLE follows")
