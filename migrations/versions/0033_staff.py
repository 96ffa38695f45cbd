"""Read administrators in the order of their names."""

from __future__ import annotations

import sqlalchemy as sa

from migrations.helpers.online import make_index
from migrations.helpers.scripts import run

revision = "0033_staff"
down_revision = "0032_starting"
branch_labels = None
depends_on = None

STAFF = sa.text("deleted_at IS NULL AND role <> 'USER'")
NAME = sa.text('sort_name COLLATE "C"')


def upgrade() -> None:
    """Other people are so many that their names alone soon fill a page."""
    make_index("users_staff_name_idx", "users", ["role", NAME, "id"], postgresql_where=STAFF)


def downgrade() -> None:
    run("DROP INDEX users_staff_name_idx")
