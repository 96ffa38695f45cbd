"""Devices: the search of a tenant knows when people signed in last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

FORMER = 'text[], text, uuid, "Role", boolean, timestamptz, text, boolean, text, uuid, integer'
LATER = 'text[], text, uuid, "Role", boolean, timestamptz, boolean, timestamptz, text, boolean, text, uuid, integer'
# What portal_find_users says after, and said before. The expression is that of the indexes.
CHANGES = (
    (
        "since timestamp with time zone, sort text",
        "since timestamp with time zone, never boolean, before timestamp with time zone, sort text",
    ),
    (
        "THEN 'sort_name' WHEN",
        "THEN 'sort_name' WHEN 'last_sign_in_at'"
        " THEN 'COALESCE(last_sign_in_at, ''0001-01-01 00:00:00+00''::timestamptz)' WHEN",
    ),
    (
        "        || (SELECT coalesce(string_agg(",
        "        || CASE WHEN never THEN ' AND last_sign_in_at IS NULL' ELSE '' END\n"
        "        || CASE WHEN before IS NULL THEN '' ELSE ' AND last_sign_in_at < $8' END\n"
        "        || (SELECT coalesce(string_agg(",
    ),
    ("' AND (%I, id) %s", "' AND (%s, id) %s"),
    ("' ORDER BY %I %s", "' ORDER BY %s %s"),
    ("place_id, most;", "place_id, most, before;"),
)


def upgrade() -> None:
    rewrite_search(FORMER, LATER, CHANGES)


def downgrade() -> None:
    rewrite_search(LATER, FORMER, tuple((after, before) for before, after in CHANGES))


def rewrite_search(former: str, later: str, changes: tuple[tuple[str, str], ...]) -> None:
    """Another signature is another function: the former one goes, with its grants."""
    name = sa.text("SELECT pg_get_functiondef(CAST(:name AS regprocedure))")
    source = str(op.get_bind().scalar(name, {"name": f"portal_find_users({former})"}))
    for before, after in changes:
        if source.count(before) != 1:
            raise LookupError(f"portal_find_users does not say once: {before}")
        source = source.replace(before, after)
    op.execute(f"DROP FUNCTION portal_find_users({former})")
    op.get_bind().exec_driver_sql(source.replace("%", "%%"))
    op.execute(f"REVOKE ALL ON FUNCTION portal_find_users({later}) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION portal_find_users({later}) TO portal_tenant")
