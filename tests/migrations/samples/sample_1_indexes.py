"""A sample of a later migration: a new index on a large table, and one that replaces another."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from alembic.script import ScriptDirectory

from migrations.helpers.online import make_index, make_next, put_next

MIGRATIONS = Path(__file__).parents[3] / "migrations"

revision = "sample_1_indexes"
down_revision = ScriptDirectory(str(MIGRATIONS)).get_current_head()  # a real migration names it
branch_labels = None
depends_on = None

NEWEST = [sa.text("created_at DESC"), sa.text("id DESC")]
ACTIVE = sa.text("deleted_at IS NULL")
INCLUDED = ["is_active", "organization_id", "invited_at", "accepted_at"]


def upgrade() -> None:
    make_index("activity_action_idx", "activity", ["action", sa.text("at DESC")])
    make_next("users_created_at_idx", "users", NEWEST, postgresql_where=ACTIVE, postgresql_include=[*INCLUDED, "role"])
    put_next("users_created_at_idx")


def downgrade() -> None:
    make_next("users_created_at_idx", "users", NEWEST, postgresql_where=ACTIVE, postgresql_include=INCLUDED)
    put_next("users_created_at_idx")
    op.drop_index("activity_action_idx", "activity")
