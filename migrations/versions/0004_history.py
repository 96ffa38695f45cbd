"""The history: who changed which values and when, written by triggers in the transaction of the change."""

from __future__ import annotations

from migrations.helpers.loss import refuse_to_lose
from migrations.helpers.scripts import run, run_file

revision = "0004_history"
down_revision = "0003_row_level_security"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file(__file__)


def downgrade() -> None:
    refuse_to_lose("activity")
    for table in ("users", "organizations"):
        run(f"""
            DROP TRIGGER key_stays ON {table};
            DROP TRIGGER history_truncate ON {table};
            DROP FUNCTION portal_history_of_{table}, portal_names_of_{table} CASCADE;
        """)
    run("""
        DROP FUNCTION portal_watch, portal_record, portal_gather_repeats, portal_record_links, portal_check_links,
            portal_end_links;
        DROP TABLE operations, activity_repeats, activity;
        DROP FUNCTION portal_write_operations, portal_count_operation, portal_names;
        DROP FUNCTION portal_key_stays, portal_append_only, portal_refuse_truncate, portal_operation;
    """)
