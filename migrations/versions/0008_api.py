"""Programs: tokens that people make for theirs, and answers that are given again to who asks the same again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from portal.core.wall import raised, taken_down

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BEHIND_WALL = "EXISTS (SELECT FROM users WHERE users.id = user_id)"
READABLE = "id, user_id, organization_id, name, beginning, scopes, created_at, expires_at, used_at, revoked_at"


def upgrade() -> None:
    create_api_tokens()
    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("answer", sa.LargeBinary),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="idempotency_keys_pkey"),
    )
    op.create_index("idempotency_keys_created_at_idx", "idempotency_keys", ["created_at"])


def downgrade() -> None:
    op.drop_table("idempotency_keys")
    for statement in taken_down("api_tokens"):
        op.execute(statement)
    op.drop_table("api_tokens")


def create_api_tokens() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Uuid, server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("organization_id", sa.Uuid),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("beginning", sa.Text, nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("created_at", moment, server_default=sa.func.now(), nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("used_at", moment),
        sa.Column("revoked_at", moment),
        sa.PrimaryKeyConstraint("id", name="api_tokens_pkey"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="api_tokens_user_id_fkey", ondelete="CASCADE", onupdate="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="api_tokens_organization_id_fkey",
            ondelete="SET NULL",
            onupdate="CASCADE",
        ),
    )
    op.create_index("api_tokens_token_key", "api_tokens", ["token"], unique=True)
    op.create_index("api_tokens_user_id_idx", "api_tokens", ["user_id"])
    op.create_index("api_tokens_organization_id_idx", "api_tokens", ["organization_id"])
    for statement in raised("api_tokens", BEHIND_WALL, f"SELECT ({READABLE}), UPDATE (revoked_at)"):
        op.execute(statement)
