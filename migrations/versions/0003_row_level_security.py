"""Tenant isolation in SQL: policies and grants of portal_tenant, and functions that run as the owner for it."""

from __future__ import annotations

from migrations.helpers.scripts import run, run_file

revision = "0003_row_level_security"
down_revision = "0002_sessions"
branch_labels = None
depends_on = None

TABLES = ("api_tokens", "refresh_tokens", "sessions", "user_totals", "users", "organizations")


def upgrade() -> None:
    run_file(__file__)


def downgrade() -> None:
    for table in TABLES:
        run(f"""
            DROP POLICY tenant ON {table};
            ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;
            REVOKE ALL ON {table} FROM portal_tenant;
        """)
    run("""
        DROP FUNCTION portal_find_users, portal_is_frequent, portal_ranks, portal_reaches;
        REVOKE ALL ON SCHEMA public FROM portal_tenant;
    """)
    # The role stays: it belongs to the whole server, and other databases may use it.
