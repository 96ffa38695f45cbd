"""Jobs: long tasks that a worker carries out on behalf of a person."""

from __future__ import annotations

from migrations.helpers.scripts import run, run_file

revision = "0009_jobs"
down_revision = "0008_teams"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file(__file__)


def downgrade() -> None:
    run("DROP FUNCTION portal_work_later; DROP TABLE jobs")
