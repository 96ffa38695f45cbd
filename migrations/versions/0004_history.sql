-- The history: who changed what, from what to what, written by triggers in the transaction of the change.

-- All rows of one transaction are one operation. Its id is created when the first of them is written.
CREATE FUNCTION portal_operation() RETURNS uuid LANGUAGE sql
RETURN coalesce(nullif(current_setting('portal.operation_id', true), ''),
    set_config('portal.operation_id', gen_random_uuid()::text, true))::uuid;

-- TRUNCATE would delete rows without an event.
CREATE FUNCTION portal_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'TRUNCATE of % would leave no history: use DELETE', TG_TABLE_NAME
        USING ERRCODE = 'object_not_in_prerequisite_state';
END $$;
REVOKE ALL ON FUNCTION portal_refuse_truncate FROM PUBLIC;

-- Protects the history from changes. Only retention (portal.retention) may delete from it.
CREATE FUNCTION portal_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'TRUNCATE' AND current_setting('portal.retention', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '% can only be added to', TG_TABLE_NAME USING ERRCODE = 'object_not_in_prerequisite_state';
END $$;
REVOKE ALL ON FUNCTION portal_append_only FROM PUBLIC;

-- The history matches a row before and after a change by its key, so the key can't change.
CREATE FUNCTION portal_key_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the key of a row of % stays', TG_TABLE_NAME USING ERRCODE = 'object_not_in_prerequisite_state';
END $$;
REVOKE ALL ON FUNCTION portal_key_stays FROM PUBLIC;


-- Events

CREATE TABLE activity (
    -- First, because defaults are computed in this order: what began after a seal has a greater id than all in it.
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- By which lists continue: the numbers of events would tell a tenant how much others do.
    key uuid NOT NULL DEFAULT gen_random_uuid(),
    operation_id uuid NOT NULL DEFAULT portal_operation(),
    is_first boolean NOT NULL DEFAULT true,
    actor_id uuid DEFAULT nullif(current_setting('portal.actor_id', true), '')::uuid,
    actor_role text DEFAULT nullif(current_setting('portal.actor_role', true), ''),
    database_user text NOT NULL DEFAULT SESSION_USER,
    address text DEFAULT nullif(current_setting('portal.address', true), ''),
    agent text DEFAULT nullif(current_setting('portal.agent', true), ''),
    request_id text DEFAULT nullif(current_setting('portal.request_id', true), ''),
    organization_id uuid,
    action text NOT NULL,
    table_name text,
    row_id uuid,
    row_version integer,
    changes jsonb,
    undoes integer DEFAULT nullif(current_setting('portal.undoes', true), '')::integer,
    times integer NOT NULL DEFAULT 1,
    begins_act boolean DEFAULT true,
    CONSTRAINT activity_pkey PRIMARY KEY (id),
    CONSTRAINT activity_at_check CHECK (at BETWEEN '2000-01-01' AND '9999-12-31')
);
CREATE INDEX activity_at_idx ON activity (at DESC, key DESC) WHERE is_first AND begins_act IS NOT FALSE;
CREATE INDEX activity_organization_id_idx ON activity (organization_id, at DESC, key DESC) WHERE is_first;
CREATE INDEX activity_tenant_idx ON activity (organization_id, at DESC, key DESC);
CREATE INDEX activity_row_id_idx ON activity (row_id, at DESC, key DESC);
CREATE INDEX activity_actor_id_idx ON activity (actor_id, at DESC, key DESC) WHERE is_first;
CREATE INDEX activity_operation_id_idx ON activity (operation_id, organization_id);
CREATE INDEX activity_xid_idx ON activity (xid);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON activity
FOR EACH STATEMENT EXECUTE FUNCTION portal_append_only();

CREATE TABLE activity_repeats (
    minute timestamptz NOT NULL,
    action text NOT NULL,
    actor_id uuid,
    actor_role text,
    address text NOT NULL,
    agent text,
    organization_id uuid,
    table_name text,
    row_id uuid,
    times integer NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX activity_repeats_key ON activity_repeats (minute, action, actor_id, address, table_name, row_id)
    NULLS NOT DISTINCT;


-- Who writes events

-- Whether an operation has no event in this tenant yet: its first event stands for it in lists. Without the index all
-- events would be read; after an operation with very many rows the planner may take that for the shorter way.
CREATE FUNCTION portal_is_first(operation uuid, tenant uuid) RETURNS boolean LANGUAGE sql STABLE COST 10000
SET enable_seqscan = off
RETURN CASE WHEN tenant IS NULL
    THEN NOT EXISTS (SELECT FROM activity a WHERE a.operation_id = operation AND a.organization_id IS NULL)
    ELSE NOT EXISTS (SELECT FROM activity a WHERE a.operation_id = operation AND a.organization_id = tenant) END;
REVOKE ALL ON FUNCTION portal_is_first FROM PUBLIC;

-- Whether an operation has no event yet, in any tenant: who sees all tenants reads one entry per operation.
CREATE FUNCTION portal_begins_act(operation uuid) RETURNS boolean LANGUAGE sql STABLE COST 10000
SET enable_seqscan = off
RETURN NOT EXISTS (SELECT FROM activity a WHERE a.operation_id = operation);
REVOKE ALL ON FUNCTION portal_begins_act FROM PUBLIC;

-- Turns the repeats of past minutes into events.
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
END;
REVOKE ALL ON FUNCTION portal_gather_repeats FROM PUBLIC;

-- Records what no changed row shows, such as sign-ins and refusals. Of repeats (the same kind, address, person and
-- row) the first in a minute is an event at once; the others of that minute become one event with a count.
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
        ON CONFLICT (minute, action, actor_id, address, table_name, row_id) DO UPDATE SET times = r.times + 1
        RETURNING times INTO so_far;
    END IF;
    IF so_far = 1 THEN
        PERFORM portal_gather_repeats();
        INSERT INTO activity (actor_id, actor_role, organization_id, action, table_name, row_id, changes, is_first,
            begins_act)
        VALUES (who, acting_as, tenant, what, about, about_id, details, portal_is_first(portal_operation(), tenant),
            portal_begins_act(portal_operation()));
    END IF;
END $$;
REVOKE ALL ON FUNCTION portal_record FROM PUBLIC;

-- Writes the history of a table: creates the function portal_history_of_<table>, and the triggers that call it. Call
-- it again when a column was added or dropped. `tenant` is an expression over a row `r`; `secrets` are columns of
-- which only the fact of a change is recorded. The event of a new row holds no values: they are today's row minus the
-- changes since.
CREATE FUNCTION portal_watch(watched regclass, tenant text, secrets text[] DEFAULT '{}') RETURNS void
LANGUAGE plpgsql AS $watch$
DECLARE
    unsaid CONSTANT text[] := '{id,created_at,updated_at,created_by,updated_by,deleted_by,version,last_sign_in_at,'
        'link_counter,invited_at,accepted_at,revoked_at}';
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
    FROM pg_attribute WHERE attrelid = watched AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
        AND attname <> 'sort_name';

    EXECUTE format($outer$
CREATE OR REPLACE FUNCTION %1$I() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $inner$
DECLARE
    operation CONSTANT uuid := portal_operation();
    begins CONSTANT boolean := portal_begins_act(operation);
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO activity (operation_id, is_first, begins_act, organization_id, action, table_name, row_id,
            row_version)
        SELECT operation, row_number() OVER (PARTITION BY tenant) = 1 AND portal_is_first(operation, tenant),
            begins AND row_number() OVER (PARTITION BY tenant) = 1 AND rank() OVER (ORDER BY tenant) = 1,
            tenant, 'create', TG_TABLE_NAME, id, version
        FROM (SELECT r.id, r.version, %2$s AS tenant FROM new_rows r) made;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO activity (operation_id, is_first, begins_act, organization_id, action, table_name, row_id,
            row_version, changes)
        SELECT operation, row_number() OVER (PARTITION BY tenant) = 1 AND portal_is_first(operation, tenant),
            begins AND row_number() OVER (PARTITION BY tenant) = 1 AND rank() OVER (ORDER BY tenant) = 1,
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
        INSERT INTO activity (operation_id, is_first, begins_act, organization_id, action, table_name, row_id,
            row_version, changes)
        SELECT operation, row_number() OVER (PARTITION BY tenant) = 1 AND portal_is_first(operation, tenant),
            begins AND row_number() OVER (PARTITION BY tenant) = 1 AND rank() OVER (ORDER BY tenant) = 1,
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
END
$watch$;
REVOKE ALL ON FUNCTION portal_watch FROM PUBLIC;

-- Writes the function portal_history_of_organizations and the triggers history_*.
SELECT portal_watch('organizations', 'r.id');
REVOKE ALL ON FUNCTION portal_history_of_organizations FROM PUBLIC;
CREATE TRIGGER key_stays BEFORE UPDATE ON organizations FOR EACH ROW WHEN (OLD.id <> NEW.id)
EXECUTE FUNCTION portal_key_stays();

-- Writes the function portal_history_of_users and the triggers history_*. A SUPER_ADMIN doesn't exist for the tenant.
SELECT portal_watch('users', $$CASE WHEN r.role <> 'SUPER_ADMIN' THEN r.organization_id END$$, '{password}');
REVOKE ALL ON FUNCTION portal_history_of_users FROM PUBLIC;
CREATE TRIGGER key_stays BEFORE UPDATE ON users FOR EACH ROW WHEN (OLD.id <> NEW.id)
EXECUTE FUNCTION portal_key_stays();


-- What a tenant sees

ALTER TABLE activity ENABLE ROW LEVEL SECURITY;
-- What happened in the own organization, and to oneself.
CREATE POLICY tenant ON activity TO portal_tenant USING (
    organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid)
    OR (table_name = 'users' AND row_id = (SELECT nullif(current_setting('portal.actor_id', true), '')::uuid))
);
GRANT SELECT ON activity TO portal_tenant;
