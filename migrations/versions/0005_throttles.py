"""Counters of tries: guesses at passwords, and at addresses that are in use elsewhere."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "throttles",
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("free_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="throttles_pkey"),
    )
    op.create_index("throttles_free_at_idx", "throttles", ["free_at"])


def downgrade() -> None:
    op.drop_table("throttles")
