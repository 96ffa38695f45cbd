"""How people arrange their lists: columns, rows per page and density."""

from __future__ import annotations

from migrations.helpers.scripts import run, run_file

revision = "0021_arrangements"
down_revision = "0020_inactivity"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file(__file__)


def downgrade() -> None:
    run("DROP TABLE list_arrangements")
