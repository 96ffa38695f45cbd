"""The first event of a whole act, whichever tenants it touched: who sees all tenants reads one entry for each act."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from portal.core.online import committing, make_next, put_next

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

INDEX = "activity_at_idx"
NEWEST = [sa.text("at DESC"), sa.text("key DESC")]

BEGINS_ACT = """
CREATE FUNCTION portal_begins_act(operation uuid) RETURNS boolean LANGUAGE sql STABLE COST 10000
SET enable_seqscan = off
RETURN NOT EXISTS (SELECT FROM activity a WHERE a.operation_id = operation)
"""

# Other migrations watch tables and write functions anew, so they are changed as they stand, each by its own words.
REWRITE = """
DO $do$
DECLARE
    changed CONSTANT text[] := ARRAY[{changed}];
    definition text;
BEGIN
    FOR definition IN SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        AND (proname ~ '^portal_history_of_' OR proname IN ('portal_watch', 'portal_record')) LOOP
        FOR one IN 1..array_length(changed, 1) LOOP
            definition := replace(definition, changed[one][1], changed[one][2]);
        END LOOP;
        EXECUTE definition;
    END LOOP;
END $do$
"""
FIRST = "row_number() OVER (PARTITION BY tenant) = 1 AND portal_is_first(operation, tenant),"
CHANGED = (
    (
        "operation CONSTANT uuid := portal_operation();",
        "operation CONSTANT uuid := portal_operation();\n    begins CONSTANT boolean := portal_begins_act(operation);",
    ),
    ("INTO activity (operation_id, is_first, ", "INTO activity (operation_id, is_first, begins_act, "),
    (
        FIRST,
        f"{FIRST}\n            begins AND row_number() OVER (PARTITION BY tenant) = 1"
        " AND rank() OVER (ORDER BY tenant) = 1,",
    ),
    ("row_id, changes, is_first)\n", "row_id, changes, is_first, begins_act)\n"),
    (
        "portal_is_first(portal_operation(), tenant));",
        "portal_is_first(portal_operation(), tenant),\n            portal_begins_act(portal_operation()));",
    ),
)

# Events from before say nothing of it, so that their leaves stay what they are.
LEAF = """
CREATE OR REPLACE FUNCTION portal_activity_leaf(key bytea, pos bigint, a activity, values_hash bytea) RETURNS bytea
LANGUAGE sql STABLE
RETURN sha256(key || sha256(convert_to(ROW(pos, a.id, extract(epoch FROM a.at), a.xid, a.key, a.operation_id,
    a.is_first, a.actor_id, a.actor_role, a.database_user, a.request_id, a.organization_id, a.action, a.table_name,
    a.row_id, a.row_version, a.undoes, a.times, encode(values_hash, 'hex'))::text
    || CASE WHEN a.begins_act THEN 'begins' WHEN NOT a.begins_act THEN 'follows' ELSE '' END, 'UTF8')))
"""


def upgrade() -> None:
    # Without a default for the rows that are there: they are empty.
    with committing():
        op.execute("ALTER TABLE activity ADD COLUMN IF NOT EXISTS begins_act boolean")
    make_next(INDEX, "activity", NEWEST, postgresql_where=sa.text("is_first AND begins_act IS NOT FALSE"))
    op.execute("ALTER TABLE activity ALTER COLUMN begins_act SET DEFAULT true")
    op.execute(BEGINS_ACT)
    op.execute("REVOKE ALL ON FUNCTION portal_begins_act(uuid) FROM PUBLIC")
    rewrite(CHANGED)
    op.execute(LEAF)
    put_next(INDEX)


def downgrade() -> None:
    """The column stays, and the leaf that speaks of it: without them the seals made meanwhile could not be verified."""
    op.drop_index(INDEX, "activity")
    op.create_index(INDEX, "activity", NEWEST, postgresql_where=sa.text("is_first"))
    rewrite(tuple((new, old) for old, new in reversed(CHANGED)))
    op.execute("DROP FUNCTION portal_begins_act(uuid)")
    op.execute("ALTER TABLE activity ALTER COLUMN begins_act DROP DEFAULT")


def rewrite(changed: tuple[tuple[str, str], ...]) -> None:
    pairs = ", ".join(f"ARRAY[$old${old}$old$, $new${new}$new$]" for old, new in changed)
    op.execute(REWRITE.format(changed=pairs))
