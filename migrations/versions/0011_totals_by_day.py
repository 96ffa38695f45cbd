"""Numbers of people and sign-ins by day, and the organizations without an administrator."""

from __future__ import annotations

from sqlalchemy import text

from migrations.helpers.online import make_index
from migrations.helpers.scripts import run, run_file

revision = "0011_totals_by_day"
down_revision = "0010_imports"
branch_labels = None
depends_on = None

OPEN = "deleted_at IS NULL AND is_active AND invited_at IS NOT NULL AND accepted_at IS NULL AND revoked_at IS NULL"


def upgrade() -> None:
    make_index(
        "users_expiring_idx",
        "users",
        ["invited_at"],
        postgresql_where=text(OPEN),
        postgresql_include=["organization_id", "role"],
    )
    make_index(
        "operations_rate_limited_idx",
        "operations",
        ["organization_id", text("at DESC"), text("key DESC")],
        postgresql_where=text("actions @> '{rate_limited}'"),
    )
    run_file(__file__)


def downgrade() -> None:
    run("""
        DROP INDEX users_expiring_idx, jobs_failed_idx, operations_rate_limited_idx,
            queue.procrastinate_jobs_failed_idx;
        DROP FUNCTION portal_keep_daily_totals, portal_keep_organization_totals CASCADE;
        DROP FUNCTION portal_keep_administered, portal_count_sign_in, portal_add_to_daily_totals, portal_total_day;
        DROP TABLE daily_totals, unadministered;
    """)
