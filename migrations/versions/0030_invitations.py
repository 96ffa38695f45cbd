"""Sort by role, and show open invitations, from indexes alone."""

from __future__ import annotations

import sqlalchemy as sa

from migrations.helpers.online import make_index, make_next, put_next
from migrations.helpers.scripts import run

revision = "0030_invitations"
down_revision = "0029_teams"
branch_labels = None
depends_on = None

PENDING = sa.text("deleted_at IS NULL AND is_active AND invited_at IS NOT NULL AND accepted_at IS NULL")
STAFF = sa.text("deleted_at IS NULL AND role <> 'USER'")
NEWEST = [sa.text("created_at DESC"), sa.text("id DESC")]
STATE = ["organization_id", "is_active", "invited_at", "accepted_at"]
REPLACED: tuple[tuple[str, list[str | sa.TextClause], list[str], list[str]], ...] = (
    ("users_invited_idx", ["organization_id", *NEWEST], ["role", "invited_at", "revoked_at"], ["sort_name"]),
    (
        "users_invited_at_idx",
        [sa.text("invited_at DESC"), sa.text("id DESC")],
        ["organization_id", "role", "revoked_at"],
        ["created_at", "sort_name"],
    ),
)


def upgrade() -> None:
    make_index(
        "users_role_created_at_idx", "users", ["role", *NEWEST], postgresql_where=STAFF, postgresql_include=STATE
    )
    for name, columns, included, further in REPLACED:
        make_next(name, "users", columns, postgresql_where=PENDING, postgresql_include=[*included, *further])
    for name, *_ in REPLACED:
        put_next(name)


def downgrade() -> None:
    for name, columns, included, _ in REPLACED:
        make_next(name, "users", columns, postgresql_where=PENDING, postgresql_include=included)
    for name, *_ in REPLACED:
        put_next(name)
    run("DROP INDEX users_role_created_at_idx")
