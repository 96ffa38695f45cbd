"""Organizations and people, with search, sort order and stamps."""

from __future__ import annotations

from migrations.helpers.scripts import run, run_file

revision = "0001_people"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file(__file__)


def downgrade() -> None:
    run("""
        DROP TABLE user_totals, users, organizations;
        DROP FUNCTION portal_recount_users, portal_move_user_totals, portal_keep_user_totals,
            portal_add_to_user_totals, portal_user_status,
            portal_kill_links, portal_keep_users_sorted, portal_keep_sorted, portal_stamp,
            portal_sort_name, portal_sort_key, portal_search_pattern, portal_fold, portal_fold_text, portal_fold_term,
            portal_readable, portal_punycode, portal_plain;
        DROP TYPE "Role";
    """)
    # The extensions stay: another program of this database may use them.
