"""Lists and figures of active people leave out who is only invited; those have a view of their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from portal.core.online import make_index, make_next, put_next

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

NEWEST = (sa.text("created_at DESC"), sa.text("id DESC"))
OF_ORGANIZATION = ("organization_id", *NEWEST)
LIVING = "deleted_at IS NULL"
INVITATION = ("invited_at", "accepted_at")
# Name of the index: its columns, its rows, what else it holds, and what it holds from now on.
COUNTED = {
    "users_created_at_idx": (NEWEST, LIVING, ("is_active",), ("organization_id", *INVITATION)),
    "users_organization_created_at_idx": (OF_ORGANIZATION, LIVING, ("role", "is_active", "email_verified"), INVITATION),
    "users_staff_idx": (OF_ORGANIZATION, f"{LIVING} AND role <> 'USER'", ("role", "is_active"), INVITATION),
}
INVITED = f"{LIVING} AND is_active AND invited_at IS NOT NULL AND accepted_at IS NULL"


def upgrade() -> None:
    make_index("users_invited_idx", "users", OF_ORGANIZATION, postgresql_where=sa.text(INVITED))
    for name, (columns, rows, read, added) in COUNTED.items():
        make_next(name, "users", columns, postgresql_where=sa.text(rows), postgresql_include=[*read, *added])
    for name in COUNTED:
        put_next(name)


def downgrade() -> None:
    for name, (columns, rows, read, _) in COUNTED.items():
        make_next(name, "users", columns, postgresql_where=sa.text(rows), postgresql_include=[*read])
    for name in COUNTED:
        put_next(name)
    op.drop_index("users_invited_idx", "users")
