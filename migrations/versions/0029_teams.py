"""Keep how many people each team has."""

from __future__ import annotations

from pathlib import Path

from migrations.helpers.online import committing, rewrite
from migrations.helpers.scripts import run, run_file

revision = "0029_teams"
down_revision = "0028_private_views"
branch_labels = None
depends_on = None

KEYS = "team_id, user_id, organization_id"


def upgrade() -> None:
    """Most members get their `active_role` in batches, while others read and write."""
    with committing():
        run('ALTER TABLE team_members ADD COLUMN IF NOT EXISTS active_role "Role"')
        run(
            f"CREATE OR REPLACE TRIGGER key_stays BEFORE UPDATE OF {KEYS} ON team_members FOR EACH ROW"
            " EXECUTE FUNCTION portal_key_stays()"
        )
    rewrite(
        "teams",
        "UPDATE team_members m SET active_role = u.role FROM users u WHERE u.id = m.user_id AND u.deleted_at IS NULL"
        " AND u.is_active AND (u.invited_at IS NULL OR u.accepted_at IS NOT NULL) AND m.active_role IS NULL"
        " AND m.team_id IN (SELECT id FROM teams WHERE {rows})",
    )
    run_file(__file__)


def downgrade() -> None:
    run(Path(__file__).with_name(f"{revision}_former.sql").read_text(encoding="utf-8"))
