"""Let the sessions of people who move to another organization come along, under its limits."""

from __future__ import annotations

from migrations.helpers.scripts import run, run_file

revision = "0023_moving"
down_revision = "0022_saved_views"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file(__file__)


def downgrade() -> None:
    run("DROP TRIGGER sessions_move ON users; DROP FUNCTION portal_move_sessions")
    run(
        "CREATE OR REPLACE TRIGGER limits BEFORE INSERT ON sessions FOR EACH ROW"
        " WHEN (NEW.organization_id IS NOT NULL) EXECUTE FUNCTION portal_limit_session()"
    )
