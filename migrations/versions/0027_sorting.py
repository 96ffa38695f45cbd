"""Sort lists by every column: indexes, and the number of people of each organization."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from migrations.helpers.online import make_index, make_next, put_next
from migrations.helpers.scripts import run, run_file

revision = "0027_sorting"
down_revision = "0026_tenant_search"
branch_labels = None
depends_on = None

ACTIVE, DELETED = sa.text("deleted_at IS NULL"), sa.text("deleted_at IS NOT NULL")
PENDING = sa.text("deleted_at IS NULL AND is_active AND invited_at IS NOT NULL AND accepted_at IS NULL")
UNREVOKED = sa.text(f"{PENDING.text} AND revoked_at IS NULL")
EXPIRING = sa.text("deleted_at IS NULL AND expires_on IS NOT NULL")
WITH_ZONE = sa.text("deleted_at IS NULL AND time_zone IS NOT NULL")
NAME, ZONE = sa.text('sort_name COLLATE "C"'), sa.text('time_zone COLLATE "C"')
NEWEST, CHANGED = sa.text("id DESC"), sa.text("updated_at DESC")
LAST, INVITED = sa.text("deleted_at DESC"), sa.text("invited_at DESC")
MADE: tuple[tuple[str, list[str | sa.TextClause], sa.TextClause, list[str] | None], ...] = (
    ("users_organization_expires_on_idx", ["organization_id", "expires_on", "id"], EXPIRING, None),
    ("users_time_zone_idx", [ZONE, "id"], WITH_ZONE, None),
    ("users_organization_time_zone_idx", ["organization_id", ZONE, "id"], WITH_ZONE, None),
    ("users_invited_at_idx", [INVITED, NEWEST], PENDING, ["organization_id", "role", "revoked_at"]),
    ("users_invited_name_idx", [NAME, "id"], PENDING, None),
    ("users_deleted_name_idx", [NAME, "id"], DELETED, None),
    ("users_organization_deleted_name_idx", ["organization_id", NAME, "id"], DELETED, None),
    ("users_deleted_role_idx", ["role", LAST, NEWEST], sa.text("deleted_at IS NOT NULL AND role <> 'USER'"), None),
    ("users_deleted_two_factor_idx", [LAST, NEWEST], sa.text("deleted_at IS NOT NULL AND has_two_factor"), None),
)


def upgrade() -> None:
    """Counting the invitations that expire soon now uses the index on all open ones."""
    make_next("users_expires_on_idx", "users", ["expires_on", "id"], postgresql_where=EXPIRING)
    for name, columns, condition, include in MADE:
        make_index(name, "users", columns, postgresql_where=condition, postgresql_include=include)
    for table in ("organizations", "teams"):
        make_index(f"{table}_updated_at_idx", table, [CHANGED, NEWEST], postgresql_where=ACTIVE)
    put_next("users_expires_on_idx")
    run("DROP INDEX users_expiring_idx")
    run_file(__file__)


def downgrade() -> None:
    including = ["organization_id", "role"]
    make_index("users_expiring_idx", "users", ["invited_at"], postgresql_where=UNREVOKED, postgresql_include=including)
    make_next("users_expires_on_idx", "users", ["expires_on"], postgresql_where=EXPIRING)
    put_next("users_expires_on_idx")
    run(f"DROP INDEX {', '.join(name for name, *_ in MADE)}, organizations_updated_at_idx, teams_updated_at_idx")
    run(Path(__file__).with_name(f"{revision}_former.sql").read_text(encoding="utf-8"))
