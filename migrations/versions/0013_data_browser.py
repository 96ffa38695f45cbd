"""The data browser: a role that may read everything but secrets, and a function that runs what somebody wrote as it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from portal.core.online import committing
from portal.core.roles import have_roles
from portal.core.wall import READER_ROLE, SECRETS, opened, shut

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# In the order in which requests lock them: those that refer to others first, the history and the queue after them.
TABLES = (
    "refresh_tokens", "sign_ins", "api_tokens", "idempotency_keys",
    "recovery_codes", "passkeys", "authenticators", "letters", "throttles",
    "users", "organizations",
    "activity_repeats", "activity", "activity_leaves", "activity_seals", "alembic_version",
    "queue.procrastinate_jobs", "queue.procrastinate_events",
    "queue.procrastinate_periodic_defers", "queue.procrastinate_workers",
)  # fmt: skip
SCHEMAS = ("public", "queue")
COLUMNS = """
SELECT attname FROM pg_attribute WHERE attrelid = CAST(:name AS regclass) AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
"""

# Within a function that acts as its owner PostgreSQL lets nobody change roles: neither RESET ROLE nor set_config leads
# out, also not from a statement within the statement. Restored without owners it belongs to another, and refuses.
QUERY = f"""
CREATE FUNCTION portal_query(statement text, most integer, room integer) RETURNS SETOF text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    one record;
    line json;
    lines integer := 0;
    used integer := 0;
BEGIN
    IF current_user <> '{READER_ROLE}' OR current_setting('transaction_read_only') <> 'on' THEN
        RAISE EXCEPTION 'portal_query must belong to {READER_ROLE}, and run where nothing can be written'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    FOR one IN EXECUTE statement LOOP
        line := row_to_json(one);
        lines := lines + 1;
        used := used + octet_length(line::text);
        RETURN NEXT ARRAY(SELECT value FROM json_each_text(line) WITH ORDINALITY ORDER BY ordinality);
        EXIT WHEN lines >= most OR used >= room;
    END LOOP;
END $$
"""  # noqa: S608 -- words of our own
SIGNATURE = "portal_query(text, integer, integer)"

# One minute's repeats are of one table.
REPEATS = "(minute, action, actor_id, address, {}row_id)"


def upgrade() -> None:
    have_roles(op.get_bind())
    with committing():  # one table after the other, so that nobody waits for all of them
        for schema in SCHEMAS:
            op.execute(f"GRANT USAGE ON SCHEMA {schema} TO {READER_ROLE}")
        for table in TABLES:
            op.execute(f"DROP POLICY IF EXISTS reader ON {table}")
            names = op.get_bind().scalars(sa.text(COLUMNS), {"name": table}).all()
            for statement in opened(table, [name for name in names if name not in SECRETS.get(table, {})]):
                op.execute(statement)
    op.execute(QUERY)
    op.execute(f"REVOKE ALL ON FUNCTION {SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT CREATE ON SCHEMA public TO {READER_ROLE}")  # which an owner of something there must have
    op.execute(f"ALTER FUNCTION {SIGNATURE} OWNER TO {READER_ROLE}")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {READER_ROLE}")
    count_by("", "table_name, ")


def downgrade() -> None:
    count_by("table_name, ", "")
    op.execute(f"DROP FUNCTION {SIGNATURE}")
    for table in TABLES:
        for statement in shut(table):
            op.execute(statement)
    for schema in SCHEMAS:
        op.execute(f"REVOKE ALL ON SCHEMA {schema} FROM {READER_ROLE}")
    # The role stays: it belongs to the whole server, and other databases may use it.


def count_by(former: str, new: str) -> None:
    """What the running minute counted goes into the history first: repeats of two kinds may be one afterwards."""
    op.execute("UPDATE activity_repeats SET minute = minute - interval '1 day'")
    op.execute("SELECT portal_gather_repeats()")
    op.drop_index("activity_repeats_key", "activity_repeats")
    key = f"activity_repeats {REPEATS.format(new)} NULLS NOT DISTINCT"
    op.execute(f"CREATE UNIQUE INDEX activity_repeats_key ON {key}")
    recorded = f"DO $$ BEGIN EXECUTE replace(pg_get_functiondef('portal_record'::regproc), '{REPEATS.format(former)}',"
    op.execute(f"{recorded} '{REPEATS.format(new)}'); END $$")
