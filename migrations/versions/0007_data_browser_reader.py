"""The data browser: a role that can read everything except secrets, and a function that runs queries as this role."""

from __future__ import annotations

from migrations.helpers.scripts import run, run_file

revision = "0007_data_browser_reader"
down_revision = "0006_email_queue"
branch_labels = None
depends_on = None

TABLES = (
    "organizations", "users", "user_totals", "sessions", "refresh_tokens", "api_tokens", "idempotency_keys",
    "authenticators", "passkeys", "recovery_codes", "rate_limits", "outbox_emails", "activity", "operations",
    "activity_repeats", "activity_leaves", "activity_seals", "alembic_version", "queue.procrastinate_jobs",
    "queue.procrastinate_events", "queue.procrastinate_periodic_defers", "queue.procrastinate_workers",
)  # fmt: skip


def upgrade() -> None:
    run_file(__file__)


def downgrade() -> None:
    for table in TABLES:
        run(f"DROP POLICY reader ON {table}; REVOKE ALL ON {table} FROM portal_reader")
    run("""
        DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database()); END $$;
        -- Its owner alone may drop it where another owns the schema.
        SET ROLE portal_reader;
        DROP FUNCTION portal_query;
        RESET ROLE;
        REVOKE ALL ON SCHEMA public, queue FROM portal_reader;
    """)
    # The role stays: it belongs to the whole server, and other databases may use it.
