"""Sessions, tokens, second factors, rate limits and the demo's outbox."""

from __future__ import annotations

from migrations.helpers.scripts import run, run_file

revision = "0002_sessions"
down_revision = "0001_people"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file(__file__)


def downgrade() -> None:
    run("""
        DROP TABLE outbox_emails, rate_limits, recovery_codes, passkeys, authenticators, idempotency_keys, api_tokens,
            refresh_tokens, sessions;
        DROP FUNCTION portal_open_session, portal_keep_two_factor;
    """)
