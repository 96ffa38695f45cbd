"""Sign-ins of their own: where and when each began and was used last, and until when it holds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from portal.core.online import committing, in_batches, make_index
from portal.core.wall import raised, taken_down

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BEHIND_WALL = "EXISTS (SELECT FROM users WHERE users.id = user_id)"
READABLE = (
    "id, user_id, organization_id, is_kept, is_browser, address, agent,"
    " created_at, proved_at, used_at, expires_at, ends_at, ended_at"
)

# So far there were browsers only, a row each.
FROM_TOKENS = """
WITH moved AS (
    DELETE FROM refresh_tokens
    WHERE family_id IN (SELECT DISTINCT family_id FROM refresh_tokens LIMIT CAST(:most AS bigint)) RETURNING *)
INSERT INTO sign_ins (id, token, user_id, organization_id, idle,
    created_at, proved_at, used_at, expires_at, ends_at, ended_at)
SELECT DISTINCT ON (family_id) family_id, token, user_id, organization_id, expires_at - created_at,
    created_at, created_at, created_at, expires_at, expires_at, revoked_at
FROM moved ORDER BY family_id, created_at DESC ON CONFLICT (id) DO NOTHING
"""
TO_TOKENS = """
INSERT INTO refresh_tokens (token, user_id, organization_id, family_id, expires_at, created_at, revoked_at)
SELECT token, user_id, organization_id, id, expires_at, created_at, ended_at FROM sign_ins WHERE token IS NOT NULL
"""
# Other programs know tokens alone: the first of a family that nobody knows begins a sign-in.
HAVE_FAMILY = """
CREATE FUNCTION portal_have_family() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sign_ins (id, user_id, organization_id, idle, expires_at, ends_at)
    VALUES (NEW.family_id, NEW.user_id, NEW.organization_id,
        greatest(NEW.expires_at - NEW.created_at, '0'), NEW.expires_at, NEW.expires_at)
    ON CONFLICT (id) DO NOTHING;
    RETURN NEW;
END $$
"""
# A sign-in is no change of the person: neither version nor history tell of it.
UNSAID = ("deleted_by,version}", "deleted_by,version,last_sign_in_at}")
REWRITE = "DO $$ BEGIN EXECUTE replace(pg_get_functiondef('portal_watch'::regproc), '{}', '{}'); END $$"
WATCH = "SELECT portal_watch('users', 'CASE WHEN r.role <> ''SUPER_ADMIN'' THEN r.organization_id END', '{password}')"
NEVER = "COALESCE(last_sign_in_at, '0001-01-01 00:00:00+00'::timestamp with time zone)"
LATEST = [sa.text(f"{NEVER} DESC"), sa.text("id DESC")]


def upgrade() -> None:
    make_room()
    in_batches(FROM_TOKENS)
    for name, home in (("users_last_sign_in_idx", []), ("users_organization_last_sign_in_idx", ["organization_id"])):
        make_index(name, "users", [*home, *LATEST], postgresql_where=sa.text("deleted_at IS NULL"))
    op.execute("LOCK TABLE refresh_tokens IN SHARE ROW EXCLUSIVE MODE")
    op.execute(sa.text(FROM_TOKENS).bindparams(most=None))  # who signed in meanwhile
    op.create_foreign_key(
        "refresh_tokens_family_id_fkey", "refresh_tokens", "sign_ins", ["family_id"], ["id"], ondelete="CASCADE"
    )
    op.create_index(
        "refresh_tokens_living_key",
        "refresh_tokens",
        ["family_id"],
        unique=True,
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.execute(HAVE_FAMILY)
    op.execute(
        "CREATE TRIGGER have_family BEFORE INSERT ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION portal_have_family()"
    )
    tell_last_sign_in()


def downgrade() -> None:
    op.drop_index("users_last_sign_in_idx", "users")
    op.drop_index("users_organization_last_sign_in_idx", "users")
    op.execute("DROP TRIGGER stamp_change ON users")
    op.execute("DROP TRIGGER stamp ON users")
    op.execute("CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION portal_stamp()")
    op.drop_column("users", "last_sign_in_at")
    op.execute(REWRITE.format(*UNSAID[::-1]))
    op.execute(WATCH)
    op.execute("DROP TRIGGER have_family ON refresh_tokens")
    op.execute("DROP FUNCTION portal_have_family()")
    op.drop_index("refresh_tokens_living_key", "refresh_tokens")
    op.drop_constraint("refresh_tokens_family_id_fkey", "refresh_tokens")
    op.execute(TO_TOKENS)
    for statement in taken_down("sign_ins"):
        op.execute(statement)
    op.drop_table("sign_ins")


def make_room() -> None:
    """What takes no time, committed at once: while it is not, nobody can change people."""
    with committing():
        op.execute("ALTER TABLE users ADD COLUMN IF NOT EXISTS last_sign_in_at timestamptz")
    if not sa.inspect(op.get_bind()).has_table("sign_ins"):
        create_sign_ins()


def create_sign_ins() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "sign_ins",
        sa.Column("id", sa.Uuid, server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("token", sa.Text),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("organization_id", sa.Uuid),
        sa.Column("is_kept", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.Column("address", sa.Text, server_default="", nullable=False),
        sa.Column("agent", sa.Text, server_default="", nullable=False),
        sa.Column("idle", sa.Interval, nullable=False),
        *(
            sa.Column(name, moment, server_default=sa.func.now(), nullable=False)
            for name in ("created_at", "proved_at", "used_at")
        ),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("ends_at", moment, nullable=False),
        sa.Column("ended_at", moment),
        sa.Column("is_browser", sa.Boolean, sa.Computed("token IS NOT NULL", persisted=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="sign_ins_pkey"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="sign_ins_user_id_fkey", ondelete="CASCADE", onupdate="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="sign_ins_organization_id_fkey",
            ondelete="SET NULL",
            onupdate="CASCADE",
        ),
    )
    op.create_index("sign_ins_token_key", "sign_ins", ["token"], unique=True)
    op.create_index("sign_ins_user_id_idx", "sign_ins", ["user_id"])
    op.create_index("sign_ins_organization_id_idx", "sign_ins", ["organization_id"])
    for statement in raised("sign_ins", BEHIND_WALL, f"SELECT ({READABLE}), UPDATE (ended_at)"):
        op.execute(statement)


def tell_last_sign_in() -> None:
    op.execute("GRANT SELECT (last_sign_in_at) ON users TO portal_tenant")
    op.execute(REWRITE.format(*UNSAID))
    op.execute(WATCH)
    op.execute("DROP TRIGGER stamp ON users")
    op.execute("CREATE TRIGGER stamp BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION portal_stamp()")
    op.execute(
        "CREATE TRIGGER stamp_change BEFORE UPDATE ON users FOR EACH ROW"
        " WHEN (OLD.last_sign_in_at IS NOT DISTINCT FROM NEW.last_sign_in_at) EXECUTE FUNCTION portal_stamp()"
    )
