"""Saved views of lists."""

from __future__ import annotations

from migrations.helpers.loss import refuse_to_lose
from migrations.helpers.scripts import run, run_file

revision = "0022_saved_views"
down_revision = "0021_arrangements"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file(__file__)


def downgrade() -> None:
    refuse_to_lose("saved_views")
    run("""
        DROP TABLE saved_views;
        DROP FUNCTION portal_history_of_saved_views, portal_names_of_saved_views;
    """)
