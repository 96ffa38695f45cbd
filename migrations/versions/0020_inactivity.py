"""After how many days without signing in an organization's people are warned and deactivated."""

from __future__ import annotations

from migrations.helpers.scripts import run, run_file

revision = "0020_inactivity"
down_revision = "0019_joiners"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file(__file__)


def downgrade() -> None:
    run("ALTER TABLE organizations DROP COLUMN inactive_days, DROP COLUMN warning_days")
    run("SELECT portal_watch('organizations', 'r.id')")
