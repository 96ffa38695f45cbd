"""The history: who changed what, from what to what, written by triggers in the transaction of the change."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from portal.cli.loss import refuse_to_lose
from portal.core.wall import raised, taken_down

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TENANT = "(SELECT nullif(current_setting('portal.organization_id', true), '')::uuid)"
ONESELF = "(SELECT nullif(current_setting('portal.actor_id', true), '')::uuid)"
NEWEST = [sa.text("at DESC"), sa.text("key DESC")]

# All rows of one transaction are one act. Its id is made where the first of them is written.
OPERATION = """
CREATE FUNCTION portal_operation() RETURNS uuid LANGUAGE sql
RETURN coalesce(nullif(current_setting('portal.operation_id', true), ''),
    set_config('portal.operation_id', gen_random_uuid()::text, true))::uuid
"""

# Writes, for one table, the function that records its changes, and the triggers that call it. A migration that adds or
# drops a column calls it again. `tenant` is an expression over a row `r`; `secrets` are columns of which only is said
# that they changed. A new row's event holds no values: they are the row of today, less the changes since.
WATCH = """
CREATE FUNCTION portal_watch(watched regclass, tenant text, secrets text[] DEFAULT '{}') RETURNS void
LANGUAGE plpgsql AS $watch$
DECLARE
    unsaid CONSTANT text[] := '{id,created_at,updated_at,created_by,updated_by,deleted_by,version}';
    writer CONSTANT text := 'portal_history_of_' || watched::text;
    differences text;
    remains text;
    event text;
    rows text;
BEGIN
    SELECT
        string_agg(format('CASE WHEN o.%1$I IS DISTINCT FROM r.%1$I THEN jsonb_build_object(%1$L, '
                || CASE WHEN attname = ANY (secrets) THEN '''[]''::jsonb' ELSE 'jsonb_build_array(o.%1$I, r.%1$I)' END
                || ') ELSE ''{}'' END', attname), E'\n                || ' ORDER BY attnum)
            FILTER (WHERE attname <> ALL (unsaid)),
        string_agg(format('%1$L, jsonb_build_array(r.%1$I, NULL)', attname), ', ' ORDER BY attnum)
            FILTER (WHERE attname <> ALL (secrets) AND attname <> 'id')
    INTO differences, remains
    FROM pg_attribute WHERE attrelid = watched AND attnum > 0 AND NOT attisdropped AND attgenerated = '';

    EXECUTE format($outer$
CREATE OR REPLACE FUNCTION %1$I() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $inner$
DECLARE
    operation CONSTANT uuid := portal_operation();
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO activity (operation_id, is_first, organization_id, action, table_name, row_id, row_version)
        SELECT operation, row_number() OVER (PARTITION BY tenant) = 1 AND portal_is_first(operation, tenant),
            tenant, 'create', TG_TABLE_NAME, id, version
        FROM (SELECT r.id, r.version, %2$s AS tenant FROM new_rows r) made;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO activity (operation_id, is_first, organization_id, action, table_name, row_id, row_version, changes)
        SELECT operation, row_number() OVER (PARTITION BY tenant) = 1 AND portal_is_first(operation, tenant),
            tenant, action, TG_TABLE_NAME, id, version, changes
        FROM (
            SELECT r.id, r.version, %2$s AS tenant,
                CASE WHEN o.deleted_at IS NULL AND r.deleted_at IS NOT NULL THEN 'delete'
                    WHEN o.deleted_at IS NOT NULL AND r.deleted_at IS NULL THEN 'restore'
                    ELSE 'update' END AS action,
        %3$s AS changes
            FROM old_rows o JOIN new_rows r USING (id) OFFSET 0) changed
        WHERE changes <> '{}';
    ELSE
        INSERT INTO activity (operation_id, is_first, organization_id, action, table_name, row_id, row_version, changes)
        SELECT operation, row_number() OVER (PARTITION BY tenant) = 1 AND portal_is_first(operation, tenant),
            tenant, 'remove', TG_TABLE_NAME, id, version, remains
        FROM (SELECT r.id, r.version, %2$s AS tenant, jsonb_build_object(%4$s) AS remains FROM old_rows r) gone;
    END IF;
    RETURN NULL;
END $inner$
    $outer$, writer, tenant, differences, remains);

    FOR event, rows IN VALUES
        ('INSERT', 'NEW TABLE AS new_rows'),
        ('UPDATE', 'OLD TABLE AS old_rows NEW TABLE AS new_rows'),
        ('DELETE', 'OLD TABLE AS old_rows') LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I AFTER %s ON %s REFERENCING %s FOR EACH STATEMENT'
            ' EXECUTE FUNCTION %I()', 'history_' || lower(event), event, watched, rows, writer);
    END LOOP;
    EXECUTE format('CREATE OR REPLACE TRIGGER history_truncate BEFORE TRUNCATE ON %s'
        ' FOR EACH STATEMENT EXECUTE FUNCTION portal_refuse_truncate()', watched);
END $watch$
"""

# The first row of an operation in its tenant stands for the operation where people read lists of them. Without the
# index all events would be read; after an operation of very many rows the planner may take that for the shorter way.
IS_FIRST = """
CREATE FUNCTION portal_is_first(operation uuid, tenant uuid) RETURNS boolean LANGUAGE sql STABLE COST 10000
SET enable_seqscan = off
RETURN CASE WHEN tenant IS NULL
    THEN NOT EXISTS (SELECT FROM activity a WHERE a.operation_id = operation AND a.organization_id IS NULL)
    ELSE NOT EXISTS (SELECT FROM activity a WHERE a.operation_id = operation AND a.organization_id = tenant) END
"""

REFUSE_TRUNCATE = """
CREATE FUNCTION portal_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'TRUNCATE of % would leave no history: use DELETE', TG_TABLE_NAME
        USING ERRCODE = 'object_not_in_prerequisite_state';
END $$
"""

APPEND_ONLY = """
CREATE FUNCTION portal_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'TRUNCATE' AND current_setting('portal.retention', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '% can only be added to', TG_TABLE_NAME USING ERRCODE = 'object_not_in_prerequisite_state';
END $$
"""

# The history pairs a row before and after by its key, which therefore stays.
KEY_STAYS = """
CREATE FUNCTION portal_key_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the key of a row of % stays', TG_TABLE_NAME USING ERRCODE = 'object_not_in_prerequisite_state';
END $$
"""

# What no row's change tells: sign-ins and refusals, written by the application. Of one kind, from one address, by one
# person about one row, the first in a minute is an event at once; the others of that minute become one, with a count.
RECORD = """
CREATE FUNCTION portal_record(
    what text, who uuid, acting_as text, tenant uuid, about text, about_id uuid, details jsonb, is_counted boolean)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    so_far integer := 1;
BEGIN
    IF is_counted THEN
        INSERT INTO activity_repeats AS r
            (minute, action, actor_id, actor_role, address, agent, organization_id, table_name, row_id)
        VALUES (date_trunc('minute', clock_timestamp()), what, who, acting_as,
            coalesce(current_setting('portal.address', true), ''), current_setting('portal.agent', true),
            tenant, about, about_id)
        ON CONFLICT (minute, action, actor_id, address, row_id) DO UPDATE SET times = r.times + 1
        RETURNING times INTO so_far;
    END IF;
    IF so_far = 1 THEN
        PERFORM portal_gather_repeats();
        INSERT INTO activity (actor_id, actor_role, organization_id, action, table_name, row_id, changes, is_first)
        VALUES (who, acting_as, tenant, what, about, about_id, details, portal_is_first(portal_operation(), tenant));
    END IF;
END $$
"""

GATHER = """
CREATE FUNCTION portal_gather_repeats() RETURNS void LANGUAGE sql
BEGIN ATOMIC
    WITH ended AS (
        DELETE FROM activity_repeats WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM activity_repeats WHERE minute < date_trunc('minute', clock_timestamp())
            FOR UPDATE SKIP LOCKED))
        RETURNING *)
    INSERT INTO activity (operation_id, actor_id, actor_role, address, agent, request_id, organization_id, action,
        table_name, row_id, times)
    SELECT gen_random_uuid(), actor_id, actor_role, nullif(address, ''), agent, NULL, organization_id, action,
        table_name, row_id, times - 1
    FROM ended WHERE times > 1;
END
"""

FUNCTIONS = {
    "portal_operation()": OPERATION,
    "portal_refuse_truncate()": REFUSE_TRUNCATE,
    "portal_append_only()": APPEND_ONLY,
    "portal_key_stays()": KEY_STAYS,
}
AFTER_TABLES = {
    "portal_is_first(uuid, uuid)": IS_FIRST,
    "portal_gather_repeats()": GATHER,
    "portal_record(text, uuid, text, uuid, text, uuid, jsonb, boolean)": RECORD,
    "portal_watch(regclass, text, text[])": WATCH,
}
WATCHED = {
    # A SUPER_ADMIN does not exist for the tenant.
    "users": ("CASE WHEN r.role <> 'SUPER_ADMIN' THEN r.organization_id END", "{password}"),
    "organizations": ("r.id", "{}"),
}


def upgrade() -> None:
    for definition in FUNCTIONS.values():
        op.execute(definition)
    create_activity()
    create_repeats()
    for definition in AFTER_TABLES.values():
        op.execute(definition)
    for function in (*FUNCTIONS, *AFTER_TABLES):
        if "portal_operation" not in function:  # a column's default
            op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    for table, (tenant, secrets) in WATCHED.items():
        op.execute(
            sa.text("SELECT portal_watch(CAST(:watched AS regclass), :tenant, CAST(:secrets AS text[]))").bindparams(
                watched=table, tenant=tenant, secrets=secrets
            )
        )
        op.execute(f"REVOKE ALL ON FUNCTION portal_history_of_{table}() FROM PUBLIC")
        op.execute(
            f"CREATE TRIGGER key_stays BEFORE UPDATE ON {table} FOR EACH ROW WHEN (OLD.id <> NEW.id)"
            " EXECUTE FUNCTION portal_key_stays()"
        )
    visible = f"organization_id = {TENANT} OR (table_name = 'users' AND row_id = {ONESELF})"
    for statement in raised("activity", visible, "SELECT"):
        op.execute(statement)


def downgrade() -> None:
    refuse_to_lose("activity")
    for statement in taken_down("activity"):
        op.execute(statement)
    for table in WATCHED:
        for trigger in ("history_insert", "history_update", "history_delete", "history_truncate", "key_stays"):
            op.execute(f"DROP TRIGGER {trigger} ON {table}")
        op.execute(f"DROP FUNCTION portal_history_of_{table}()")
    for function in reversed(AFTER_TABLES):
        op.execute(f"DROP FUNCTION {function}")
    op.drop_table("activity_repeats")
    op.drop_table("activity")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")


def create_activity() -> None:
    op.create_table(
        "activity",
        # First, because defaults are made in this order: what began after a seal has a greater id than all in it.
        sa.Column("xid", XID8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        # By which pages of a list go on: the numbers of events would tell a tenant how much others do.
        sa.Column("key", sa.Uuid, server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("operation_id", sa.Uuid, server_default=sa.text("portal_operation()"), nullable=False),
        sa.Column("is_first", sa.Boolean, server_default=sa.true(), nullable=False),
        sa.Column("actor_id", sa.Uuid, server_default=setting("actor_id", "uuid")),
        sa.Column("actor_role", sa.Text, server_default=setting("actor_role")),
        sa.Column("database_user", sa.Text, server_default=sa.text("SESSION_USER"), nullable=False),
        sa.Column("address", sa.Text, server_default=setting("address")),
        sa.Column("agent", sa.Text, server_default=setting("agent")),
        sa.Column("request_id", sa.Text, server_default=setting("request_id")),
        sa.Column("organization_id", sa.Uuid),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("table_name", sa.Text),
        sa.Column("row_id", sa.Uuid),
        sa.Column("row_version", sa.Integer),
        sa.Column("changes", postgresql.JSONB),
        sa.Column("undoes", sa.Integer, server_default=setting("undoes", "integer")),
        sa.Column("times", sa.Integer, server_default=sa.text("1"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="activity_pkey"),
        sa.CheckConstraint("at BETWEEN '2000-01-01' AND '9999-12-31'", name="activity_at_check"),
    )
    first = sa.text("is_first")
    op.create_index("activity_at_idx", "activity", NEWEST, postgresql_where=first)
    op.create_index("activity_organization_id_idx", "activity", ["organization_id", *NEWEST], postgresql_where=first)
    op.create_index("activity_tenant_idx", "activity", ["organization_id", *NEWEST])
    op.create_index("activity_row_id_idx", "activity", ["row_id", *NEWEST])
    op.create_index("activity_actor_id_idx", "activity", ["actor_id", *NEWEST], postgresql_where=first)
    op.create_index("activity_operation_id_idx", "activity", ["operation_id", "organization_id"])
    op.create_index("activity_xid_idx", "activity", ["xid"])
    append_only("activity")


def create_repeats() -> None:
    op.create_table(
        "activity_repeats",
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("actor_id", sa.Uuid),
        sa.Column("actor_role", sa.Text),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("agent", sa.Text),
        sa.Column("organization_id", sa.Uuid),
        sa.Column("table_name", sa.Text),
        sa.Column("row_id", sa.Uuid),
        sa.Column("times", sa.Integer, server_default=sa.text("1"), nullable=False),
    )
    op.execute(
        "CREATE UNIQUE INDEX activity_repeats_key ON activity_repeats (minute, action, actor_id, address, row_id)"
        " NULLS NOT DISTINCT"
    )


def append_only(table: str) -> None:
    op.execute(
        f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION portal_append_only()"
    )


def setting(name: str, kind: str = "text") -> sa.TextClause:
    """What the transaction was told, as a column's default."""
    cast = "" if kind == "text" else f"::{kind}"
    return sa.text(f"nullif(current_setting('portal.{name}', true), ''){cast}")


class XID8(sa.types.UserDefinedType[str]):
    """A transaction's number, which never comes again."""

    def get_col_spec(self, **_: object) -> str:
        return "xid8"
