"""Answers of the data browser's queries are cut in the database; nobody but the owner makes temporary tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from portal.core.wall import READER_ROLE

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

FORMER_SIGNATURE = "portal_query(text, integer, integer)"
SIGNATURE = "portal_query(text, integer, integer, integer)"
CHECK = f"""
    IF current_user <> '{READER_ROLE}' OR current_setting('transaction_read_only') <> 'on' THEN
        RAISE EXCEPTION 'portal_query must belong to {READER_ROLE}, and run where nothing can be written'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
"""
FORMER_QUERY = f"""
CREATE FUNCTION portal_query(statement text, most integer, room integer) RETURNS SETOF text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    one record;
    line json;
    lines integer := 0;
    used integer := 0;
BEGIN{CHECK}
    FOR one IN EXECUTE statement LOOP
        line := row_to_json(one);
        lines := lines + 1;
        used := used + octet_length(line::text);
        RETURN NEXT ARRAY(SELECT value FROM json_each_text(line) WITH ORDINALITY ORDER BY ordinality);
        EXIT WHEN lines >= most OR used >= room;
    END LOOP;
END $$
"""  # noqa: S608 -- words of our own

# No value, row or message leaves the server longer than it can be shown. An error that names a value holds all of it.
QUERY = f"""
CREATE FUNCTION portal_query(statement text, most integer, room integer, longest integer) RETURNS SETOF text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    one record;
    cells text[];
    lines integer := 0;
    used integer := 0;
    message text;
    hint text;
BEGIN{CHECK}
    FOR one IN EXECUTE statement LOOP
        cells := ARRAY(SELECT left(value, longest) FROM json_each_text(row_to_json(one)) WITH ORDINALITY
            ORDER BY ordinality);
        lines := lines + 1;
        used := used + (SELECT sum(coalesce(octet_length(cell), 0) + 20) FROM unnest(cells) cell);
        RETURN NEXT cells;
        EXIT WHEN lines >= most OR used >= room;
    END LOOP;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = left(message, 1000), HINT = left(hint, 1000);
END $$
"""  # noqa: S608

# To PUBLIC it is granted with each new database. Who doesn't own the database can't take it back, and is only warned.
TEMPORARY = "DO $$ BEGIN EXECUTE format('{} TEMPORARY ON DATABASE %I {} PUBLIC', current_database()); END $$"


def upgrade() -> None:
    replace(FORMER_SIGNATURE, QUERY, SIGNATURE)
    op.execute(TEMPORARY.format("REVOKE", "FROM"))


def downgrade() -> None:
    op.execute(TEMPORARY.format("GRANT", "TO"))
    replace(SIGNATURE, FORMER_QUERY, FORMER_SIGNATURE)


def replace(former: str, definition: str, signature: str) -> None:
    """Its owner, which is the role as which it runs, alone may drop it where another owns the schema."""
    owner = op.get_bind().scalar(sa.text("SELECT proowner::regrole::text FROM pg_proc WHERE proname = 'portal_query'"))
    op.execute(f"SET LOCAL ROLE {owner}")
    op.execute(f"DROP FUNCTION {former}")
    op.execute("RESET ROLE")
    op.execute(definition)
    op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
    op.execute(f"GRANT CREATE ON SCHEMA public TO {READER_ROLE}")  # which an owner of something there must have
    op.execute(f"ALTER FUNCTION {signature} OWNER TO {READER_ROLE}")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {READER_ROLE}")
