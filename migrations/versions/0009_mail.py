"""Mail: the queue of letters in a schema of its own, invitations, and addresses that are not confirmed yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager

from portal.core.wall import TENANT_ROLE

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# A later release of procrastinate brings steps of its own: they become a migration, which looks first what is there.
QUEUE = "queue"
TASK, SCHEMA_OF_JOBS = "send", f"pg_catalog, {QUEUE}, public, pg_temp"

# The only way for tenants to put something into the queue. Of a changed address the job names the event that knows the
# former one.
SEND_LATER = f"""
CREATE FUNCTION portal_send_later(kind text, user_id uuid) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = {SCHEMA_OF_JOBS} AS $$
SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(
    'letters', '{TASK}', 0, NULL, NULL,
    jsonb_strip_nulls(jsonb_build_object('kind', kind, 'user_id', user_id,
        'event', CASE WHEN kind = 'email_changed' THEN (
            SELECT id FROM public.activity WHERE table_name = 'users' AND row_id = user_id AND changes ? 'email'
            ORDER BY id DESC LIMIT 1) END)),
    NULL)::procrastinate_job_to_defer_v1])
$$
"""  # noqa: S608 -- words of our own

# Events of their own tell of invitations.
UNSAID = ("last_sign_in_at", "last_sign_in_at,link_counter,invited_at,accepted_at,revoked_at")
REWRITE = "DO $$ BEGIN EXECUTE replace(pg_get_functiondef('portal_watch'::regproc), '{}', '{}'); END $$"
WATCH = "SELECT portal_watch('users', 'CASE WHEN r.role <> ''SUPER_ADMIN'' THEN r.organization_id END', '{password}')"
MOMENTS = ("invited_at", "accepted_at", "revoked_at")
NEW = ("pending_email", "link_counter", *MOMENTS)


def upgrade() -> None:
    op.execute(f"CREATE SCHEMA {QUEUE}")
    usual = op.get_bind().exec_driver_sql("SHOW search_path").scalar_one()
    op.execute(f"SET LOCAL search_path = {QUEUE}, public")
    op.get_bind().exec_driver_sql(SchemaManager.get_schema().replace("%", "%%"))
    op.execute(f"SET LOCAL search_path = {usual}")
    op.execute(SEND_LATER)
    op.execute("REVOKE ALL ON FUNCTION portal_send_later(text, uuid) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION portal_send_later(text, uuid) TO {TENANT_ROLE}")
    op.add_column("users", sa.Column("pending_email", sa.Text))
    op.add_column("users", sa.Column("link_counter", sa.Integer, server_default=sa.text("0"), nullable=False))
    for name in MOMENTS:
        op.add_column("users", sa.Column(name, sa.DateTime(timezone=True)))
    op.execute(f"GRANT SELECT ({', '.join(NEW)}), UPDATE ({', '.join(NEW)}) ON users TO {TENANT_ROLE}")
    op.execute(REWRITE.format(*UNSAID))
    op.execute(WATCH)
    create_letters()


def downgrade() -> None:
    op.drop_table("letters")
    for name in reversed(NEW):
        op.drop_column("users", name)
    op.execute(REWRITE.format(*UNSAID[::-1]))
    op.execute(WATCH)
    op.execute("DROP FUNCTION portal_send_later(text, uuid)")
    op.execute(f"DROP SCHEMA {QUEUE} CASCADE")


def create_letters() -> None:
    op.create_table(
        "letters",
        sa.Column("id", sa.Uuid, server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("link", sa.Text),
        sa.Column("kept_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="letters_pkey"),
    )
    op.create_index("letters_kept_at_idx", "letters", ["kept_at"])
