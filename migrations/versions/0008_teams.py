"""Teams, and the people in them."""

from __future__ import annotations

from migrations.helpers.loss import refuse_to_lose
from migrations.helpers.scripts import run, run_file

revision = "0008_teams"
down_revision = "0007_data_browser_reader"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file(__file__)


def downgrade() -> None:
    refuse_to_lose("teams")
    run("""
        DROP TRIGGER team_members ON users;
        DROP TABLE team_members, teams;
        DROP FUNCTION portal_history_of_teams, portal_names_of_teams;
    """)
