"""Sort deactivated people by their first day of access."""

from __future__ import annotations

import sqlalchemy as sa

from migrations.helpers.online import make_index, make_next, put_next
from migrations.helpers.scripts import run

revision = "0032_starting"
down_revision = "0031_sizes"
branch_labels = None
depends_on = None

STARTING = sa.text("deleted_at IS NULL AND activates_on IS NOT NULL")


def upgrade() -> None:
    """Both contain what the list asks for: PostgreSQL expects so few of these rows that it would sort all of them."""
    state, inside = ["role", "is_active"], ["organization_id", "activates_on", "id"]
    everywhere = ["organization_id", *state]
    make_next("users_activates_on_idx", "users", inside[1:], postgresql_where=STARTING, postgresql_include=everywhere)
    make_index(
        "users_organization_activates_on_idx", "users", inside, postgresql_where=STARTING, postgresql_include=state
    )
    put_next("users_activates_on_idx")


def downgrade() -> None:
    make_next("users_activates_on_idx", "users", ["activates_on"], postgresql_where=STARTING)
    put_next("users_activates_on_idx")
    run("DROP INDEX users_organization_activates_on_idx")
