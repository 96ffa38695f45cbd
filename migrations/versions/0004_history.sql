-- The history: who changed which values and when, written by triggers in the transaction of the change.

-- All events of one transaction are one operation. Its id is created when the first of them is written.
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

-- Protects the history from changes. Only retention and erasure (portal.retention) may change or delete its rows.
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
    RAISE EXCEPTION 'the key of a row of % can''t change', TG_TABLE_NAME
        USING ERRCODE = 'object_not_in_prerequisite_state';
END $$;
REVOKE ALL ON FUNCTION portal_key_stays FROM PUBLIC;


-- Events

CREATE TABLE activity (
    -- First, because defaults are computed in this order: transactions after a seal have greater ids than all in it.
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The position in lists. The ids of events would reveal to a tenant how active others are.
    key uuid NOT NULL DEFAULT gen_random_uuid(),
    operation_id uuid NOT NULL DEFAULT portal_operation(),
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
    CONSTRAINT activity_pkey PRIMARY KEY (id),
    CONSTRAINT activity_at_check CHECK (at BETWEEN '2000-01-01' AND '9999-12-31')
);
CREATE INDEX activity_row_id_idx ON activity (row_id, at DESC, key DESC);
CREATE INDEX activity_operation_id_idx ON activity (operation_id, at DESC, key DESC);
CREATE INDEX activity_tenant_idx ON activity (operation_id, organization_id, at DESC, key DESC);
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


-- Operations

-- One row for an operation as a whole, with organization_id NULL, and one for the part that each organization sees.
-- A row is a copy of its first event, with totals of all events.
CREATE TABLE operations (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    -- The position in lists.
    key uuid NOT NULL DEFAULT gen_random_uuid(),
    id uuid NOT NULL,
    organization_id uuid,
    at timestamptz NOT NULL,
    event_id bigint NOT NULL,
    actor_id uuid,
    actor_role text,
    database_user text NOT NULL,
    address text,
    agent text,
    request_id text,
    action text NOT NULL,
    table_name text,
    row_id uuid,
    row_version integer,
    changes jsonb,
    -- The operation that this one undid.
    undoes uuid DEFAULT nullif(current_setting('portal.undone', true), '')::uuid,
    times integer NOT NULL,
    events bigint NOT NULL,
    -- The number of events, by table and action.
    counts jsonb NOT NULL,
    actions text[] NOT NULL,
    -- The columns that were changed in at least one row.
    fields text[] NOT NULL,
    -- The first few rows, and their names.
    row_ids uuid[] NOT NULL,
    names text[],
    search_text text,
    statements integer NOT NULL DEFAULT 1,
    CONSTRAINT operations_pkey PRIMARY KEY (key)
);
CREATE UNIQUE INDEX operations_id_key ON operations (id, organization_id) NULLS NOT DISTINCT;
CREATE INDEX operations_at_idx ON operations (at DESC, key DESC) WHERE organization_id IS NULL;
CREATE INDEX operations_organization_id_idx ON operations (organization_id, at DESC, key DESC);
CREATE INDEX operations_actor_id_idx ON operations (actor_id, at DESC, key DESC);
CREATE INDEX operations_event_id_idx ON operations (event_id);
-- Each search scans the list of pending entries, so it is kept short.
CREATE INDEX operations_contents_idx ON operations USING gin (actions, fields, row_ids)
    WITH (gin_pending_list_limit = 64);
CREATE INDEX operations_search_text_idx ON operations USING gin (search_text gin_trgm_ops)
    WITH (gin_pending_list_limit = 64);
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON operations
FOR EACH STATEMENT EXECUTE FUNCTION portal_append_only();
-- Later statements of the same transaction add to its row.
CREATE TRIGGER committed_stays AFTER UPDATE ON operations FOR EACH ROW
WHEN (OLD.xid <> pg_current_xact_id() OR NEW.xid <> OLD.xid) EXECUTE FUNCTION portal_append_only();


-- Functions and triggers that write events and operations

-- Names, search texts and tenants of rows, by key, from the function that portal_watch writes for each table. Of
-- removed rows, `remains` holds the values.
CREATE FUNCTION portal_names(kind text, ids uuid[], remains jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    namer CONSTANT regproc := to_regproc(quote_ident('portal_names_of_' || kind));
    names jsonb;
BEGIN
    IF namer IS NOT NULL THEN
        EXECUTE format('SELECT %s($1, $2)', namer) INTO names USING ids, remains;
    END IF;
    RETURN names;
END $$;
REVOKE ALL ON FUNCTION portal_names FROM PUBLIC;

-- Adds events to the rows of their operations: one for each organization that sees a part, and one for the whole.
-- Each begins as a copy of its first event. All new events are read once; everything else is looked up by primary key,
-- regardless of statistics, because a plan that was made for one event may run for a million.
--
-- After 500 statements of a transaction, its events are counted once, at commit: otherwise each statement would have to
-- skip all former versions of the row.
CREATE FUNCTION portal_write_operations() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET enable_nestloop = on SET jit = off AS $$
BEGIN
    WITH counted AS MATERIALIZED (
        SELECT operation_id, organization_id, grouping(organization_id) = 1 AS is_whole, table_name, action,
            count(*) AS many, (array_agg(id))[1:5] AS ids
        FROM events
        GROUP BY GROUPING SETS ((operation_id, organization_id, table_name, action),
            (operation_id, table_name, action))),
    few AS MATERIALIZED (
        SELECT c.operation_id, c.organization_id, c.is_whole, c.table_name, c.action, c.many, place = 1 AS is_first,
            a.id, a.row_id, CASE WHEN c.action = 'remove' THEN a.changes END AS remains
        FROM counted c CROSS JOIN unnest(c.ids) WITH ORDINALITY AS one (id, place) JOIN activity a ON a.id = one.id
        WHERE c.is_whole OR c.organization_id IS NOT NULL),
    -- The rows travel in arrays beside the names of all: a join would read every name again for each row.
    called AS MATERIALIZED (
        SELECT table_name, array_agg(operation_id) AS operation_ids, array_agg(organization_id) AS organization_ids,
            array_agg(is_whole) AS wholes, array_agg(action) AS actions, array_agg(many) AS numbers,
            array_agg(is_first) AS firsts, array_agg(id) AS ids, array_agg(row_id) AS row_ids,
            portal_names(table_name, array_agg(row_id) FILTER (WHERE row_id IS NOT NULL),
                jsonb_object_agg(row_id, remains) FILTER (WHERE remains IS NOT NULL)) AS names
        FROM few GROUP BY table_name),
    fields AS (
        SELECT operation_id, organization_id, grouping(organization_id) = 1 AS is_whole, field
        FROM events CROSS JOIN jsonb_object_keys(CASE WHEN row_version IS NOT NULL AND action <> 'remove'
            AND jsonb_typeof(changes) = 'object' THEN changes END) AS field
        GROUP BY GROUPING SETS ((operation_id, organization_id, field), (operation_id, field))),
    known AS (
        SELECT one.operation_id, one.organization_id, one.is_whole, c.table_name, one.action, one.many, one.is_first,
            one.id, one.row_id, c.names -> one.row_id::text AS name, NULL AS field
        FROM called c CROSS JOIN unnest(c.operation_ids, c.organization_ids, c.wholes, c.actions, c.numbers, c.firsts,
            c.ids, c.row_ids) AS one (operation_id, organization_id, is_whole, action, many, is_first, id, row_id)
        UNION ALL
        SELECT operation_id, organization_id, is_whole, NULL, NULL, NULL, false, NULL, NULL, NULL, field
        FROM fields WHERE is_whole OR organization_id IS NOT NULL),
    parts AS (
        SELECT operation_id, organization_id, min(id) AS first_id, sum(many) FILTER (WHERE is_first) AS events,
            jsonb_object_agg(concat_ws('.', table_name, action), many) FILTER (WHERE is_first) AS counts,
            array_agg(DISTINCT action) FILTER (WHERE is_first) AS actions,
            array_agg(DISTINCT field) FILTER (WHERE field IS NOT NULL) AS fields,
            (array_agg(row_id ORDER BY id) FILTER (WHERE row_id IS NOT NULL))[1:5] AS row_ids,
            (array_agg(coalesce(name ->> 0, '') ORDER BY id) FILTER (WHERE row_id IS NOT NULL))[1:5] AS names,
            (array_agg(name ->> 1 ORDER BY id) FILTER (WHERE row_id IS NOT NULL))[1:5] AS search_texts
        FROM known GROUP BY operation_id, organization_id, is_whole)
    INSERT INTO operations AS o (id, organization_id, at, event_id, actor_id, actor_role, database_user, address,
        agent, request_id, action, table_name, row_id, row_version, changes, times, events, counts, actions, fields,
        row_ids, names, search_text)
    SELECT p.operation_id, p.organization_id, a.at, a.id, a.actor_id, a.actor_role, a.database_user, a.address,
        a.agent, a.request_id, a.action, a.table_name, a.row_id, a.row_version, a.changes, a.times, p.events, p.counts,
        p.actions, coalesce(p.fields, '{}'), coalesce(p.row_ids, '{}'), p.names, array_to_string(p.search_texts, '')
    FROM parts p JOIN activity a ON a.id = p.first_id
    ON CONFLICT (id, organization_id) DO UPDATE SET
        events = o.events + excluded.events,
        counts = (SELECT jsonb_object_agg(key, many) FROM (
            SELECT key, sum(value::bigint) AS many
            FROM (SELECT * FROM jsonb_each_text(o.counts) UNION ALL SELECT * FROM jsonb_each_text(excluded.counts)) s
            GROUP BY key) sums),
        actions = ARRAY(SELECT unnest(o.actions) UNION SELECT unnest(excluded.actions) ORDER BY 1),
        fields = ARRAY(SELECT unnest(o.fields) UNION SELECT unnest(excluded.fields) ORDER BY 1),
        row_ids = (o.row_ids || ARRAY(SELECT one.id FROM unnest(excluded.row_ids) AS one (id)
            WHERE one.id <> ALL (o.row_ids)))[1:5],
        names = (o.names || ARRAY(SELECT one.name FROM unnest(excluded.row_ids, excluded.names) AS one (id, name)
            WHERE one.id <> ALL (o.row_ids)))[1:5],
        search_text = CASE WHEN cardinality(o.row_ids) < 5 AND NOT excluded.row_ids <@ o.row_ids
            THEN concat(o.search_text, excluded.search_text) ELSE o.search_text END,
        statements = o.statements + 1
        WHERE o.statements < 500;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_write_operations FROM PUBLIC;
CREATE TRIGGER write_operations AFTER INSERT ON activity REFERENCING NEW TABLE AS events
FOR EACH STATEMENT EXECUTE FUNCTION portal_write_operations();

-- Counts, at commit, the events of an operation with very many statements.
CREATE FUNCTION portal_count_operation() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    WITH counted AS (
        SELECT table_name, action, count(*) AS many FROM activity
        WHERE operation_id = NEW.id AND (NEW.organization_id IS NULL OR organization_id = NEW.organization_id)
        GROUP BY table_name, action)
    UPDATE operations o SET (events, counts, actions) = (
        SELECT sum(many), jsonb_object_agg(concat_ws('.', table_name, action), many), array_agg(DISTINCT action)
        FROM counted),
        fields = ARRAY(
            SELECT DISTINCT field
            FROM activity CROSS JOIN jsonb_object_keys(CASE WHEN row_version IS NOT NULL AND action <> 'remove'
                AND jsonb_typeof(changes) = 'object' THEN changes END) AS field
            WHERE operation_id = NEW.id AND (NEW.organization_id IS NULL OR organization_id = NEW.organization_id)
            ORDER BY field)
    WHERE o.key = NEW.key;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_count_operation FROM PUBLIC;
CREATE CONSTRAINT TRIGGER count_at_commit AFTER UPDATE ON operations DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (OLD.statements < 500 AND NEW.statements = 500) EXECUTE FUNCTION portal_count_operation();

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

-- Records events without a changed row, such as sign-ins and refusals. Of repeats (the same action, address, person and
-- row), the first in a minute becomes an event at once; the others of that minute become one event with a count.
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
        INSERT INTO activity (actor_id, actor_role, organization_id, action, table_name, row_id, changes)
        VALUES (who, acting_as, tenant, what, about, about_id, details);
    END IF;
END $$;
REVOKE ALL ON FUNCTION portal_record FROM PUBLIC;

-- Records the history of a table: creates the function portal_history_of_<table>, the triggers that call it, and
-- portal_names_of_<table>. Call it again after adding or dropping a column. `tenant` and `name` are expressions over a
-- row `r`; by default, `name` is the column `name`. Changes to columns in `secrets` are recorded without values. The
-- event of a new row has no values: they can be derived from the current row and the changes since.
--
-- Both functions keep their plans, whatever the session has set. Plans made for one row also run for a million, so old
-- and new rows are never joined by nested loops.
CREATE FUNCTION portal_watch(watched regclass, tenant text, secrets text[] DEFAULT '{}',
    name text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $watch$
DECLARE
    unrecorded CONSTANT text[] := '{id,created_at,updated_at,created_by,updated_by,deleted_by,version,last_sign_in_at,'
        'has_two_factor,link_counter,invited_at,accepted_at,revoked_at}';
    writer CONSTANT text := 'portal_history_of_' || watched::text;
    namer CONSTANT text := 'portal_names_of_' || watched::text;
    differences text;
    remains text;
    searched text;
    called text;
    event text;
    rows text;
BEGIN
    SELECT
        string_agg(format('CASE WHEN o.%1$I IS DISTINCT FROM r.%1$I THEN jsonb_build_object(%1$L, '
                || CASE WHEN attname = ANY (secrets) THEN '''[]''::jsonb' ELSE 'jsonb_build_array(o.%1$I, r.%1$I)' END
                || ') ELSE ''{}'' END', attname), E'\n                || ' ORDER BY attnum)
            FILTER (WHERE attname <> ALL (unrecorded)),
        string_agg(format('%1$L, jsonb_build_array(r.%1$I, NULL)', attname), ', ' ORDER BY attnum)
            FILTER (WHERE attname <> ALL (secrets) AND attname <> 'id')
    INTO differences, remains
    FROM pg_attribute WHERE attrelid = watched AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
        AND attname <> 'sort_name';
    SELECT coalesce(max('r.search_text') FILTER (WHERE attname = 'search_text'), 'NULL::text'),
        coalesce(portal_watch.name, max('r.name') FILTER (WHERE attname = 'name'), 'NULL::text')
    INTO searched, called
    FROM pg_attribute WHERE attrelid = watched AND NOT attisdropped;

    EXECUTE format($outer$
CREATE OR REPLACE FUNCTION %1$I() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan SET enable_nestloop = off
AS $inner$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO activity (organization_id, action, table_name, row_id, row_version)
        SELECT %2$s, 'create', TG_TABLE_NAME, r.id, r.version FROM new_rows r;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO activity (organization_id, action, table_name, row_id, row_version, changes)
        SELECT tenant, action, TG_TABLE_NAME, id, version, changes
        FROM (
            SELECT r.id, r.version, %2$s AS tenant,
                CASE WHEN o.deleted_at IS NULL AND r.deleted_at IS NOT NULL THEN 'delete'
                    WHEN o.deleted_at IS NOT NULL AND r.deleted_at IS NULL THEN 'restore'
                    ELSE 'update' END AS action,
        %3$s AS changes
            FROM old_rows o JOIN new_rows r USING (id) OFFSET 0) changed
        WHERE changes <> '{}';
    ELSE
        INSERT INTO activity (organization_id, action, table_name, row_id, row_version, changes)
        SELECT %2$s, 'remove', TG_TABLE_NAME, r.id, r.version, jsonb_build_object(%4$s) FROM old_rows r;
    END IF;
    RETURN NULL;
END $inner$
    $outer$, writer, tenant, differences, remains);

    EXECUTE format($outer$
CREATE OR REPLACE FUNCTION %1$I(ids uuid[], remains jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan AS $inner$
BEGIN
    RETURN (
        SELECT jsonb_object_agg(id, jsonb_build_array(name, coalesce(search_text, ' ' || portal_fold(name)), tenant))
        FROM (
            SELECT r.id, %3$s AS name, %4$s AS search_text, %5$s AS tenant FROM %2$s r WHERE r.id = ANY (ids)
            UNION ALL
            SELECT one.key::uuid, %3$s, NULL, %5$s
            FROM jsonb_each(remains) AS one CROSS JOIN jsonb_populate_record(NULL::%2$s,
                (SELECT jsonb_object_agg(key, value -> 0) FROM jsonb_each(one.value))) AS r) named);
END $inner$
    $outer$, namer, watched, called, searched, tenant);
    EXECUTE format('REVOKE ALL ON FUNCTION %I, %I FROM PUBLIC', writer, namer);

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

-- Refuses links between rows of different tenants, of deleted rows, and in deleted organizations. Locks all of them, so
-- that they stay as they are meanwhile. Arguments: each table and the link's column for it. `links` is the transition
-- table.
CREATE FUNCTION portal_check_links() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    stray uuid;
BEGIN
    FOR at IN 0..TG_NARGS - 2 BY 2 LOOP
        EXECUTE format($sql$
            SELECT links.%2$I
            FROM links LEFT JOIN (
                SELECT id, organization_id FROM %1$I WHERE id IN (SELECT %2$I FROM links) AND deleted_at IS NULL
                ORDER BY id FOR SHARE) own
                ON own.id = links.%2$I AND own.organization_id = links.organization_id
            WHERE own.id IS NULL
            $sql$, TG_ARGV[at], TG_ARGV[at + 1])
        INTO stray;
        IF stray IS NOT NULL THEN
            RAISE EXCEPTION '% is deleted, or the link to it belongs to another organization', stray
                USING ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME, COLUMN = TG_ARGV[at + 1];
        END IF;
    END LOOP;
    SELECT links.organization_id INTO stray
    FROM links LEFT JOIN (
        SELECT id FROM organizations WHERE id IN (SELECT organization_id FROM links) AND deleted_at IS NULL
        ORDER BY id FOR SHARE) own ON own.id = links.organization_id
    WHERE own.id IS NULL;
    IF stray IS NOT NULL THEN
        RAISE EXCEPTION 'the organization % is deleted', stray
            USING ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME, COLUMN = 'organization_id';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_check_links FROM PUBLIC;

-- Removes the links of a row that moves to another tenant. Arguments: the table of links, and its column for the row.
-- Runs BEFORE UPDATE: the events are then for the tenant that saw the row until now.
CREATE FUNCTION portal_end_links() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    EXECUTE format('DELETE FROM %I WHERE %I = $1 AND organization_id IS DISTINCT FROM $2', TG_ARGV[0], TG_ARGV[1])
    USING NEW.id, NEW.organization_id;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION portal_end_links FROM PUBLIC;

-- Records in the histories of both rows that a link between them, such as a team's member, was added or removed.
-- Arguments: the noun in the action (`member` makes member_added and member_removed), then each table and the link's
-- column for it. `links` is the transition table. Only a tenant that sees both rows sees the events.
CREATE FUNCTION portal_record_links() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    EXECUTE format($sql$
        WITH pairs AS MATERIALIZED (SELECT %I AS one, %I AS other FROM links),
        known AS MATERIALIZED (
            SELECT portal_names($1, array_agg(DISTINCT one), NULL) AS ones,
                portal_names($2, array_agg(DISTINCT other), NULL) AS others
            FROM pairs),
        seen AS (
            SELECT one, other, nullif(ones #>> ARRAY[one::text, '2'], '')::uuid AS tenant,
                nullif(others #>> ARRAY[other::text, '2'], '')::uuid AS other_tenant
            FROM pairs CROSS JOIN known)
        INSERT INTO activity (organization_id, action, table_name, row_id, changes)
        SELECT CASE tenant WHEN other_tenant THEN tenant END, $3, side.kind, side.id,
            jsonb_build_object(side.other_kind, jsonb_build_array(NULL, side.other_id))
        FROM seen CROSS JOIN LATERAL (VALUES ($1, one, $2, other), ($2, other, $1, one))
            AS side (kind, id, other_kind, other_id)
        $sql$, TG_ARGV[2], TG_ARGV[4])
    USING TG_ARGV[1], TG_ARGV[3], TG_ARGV[0] || CASE TG_OP WHEN 'INSERT' THEN '_added' ELSE '_removed' END;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_record_links FROM PUBLIC;

-- Writes the functions portal_history_of_organizations and portal_names_of_organizations, and the triggers history_*.
SELECT portal_watch('organizations', 'r.id');
CREATE TRIGGER key_stays BEFORE UPDATE ON organizations FOR EACH ROW WHEN (OLD.id <> NEW.id)
EXECUTE FUNCTION portal_key_stays();

-- Creates the functions portal_history_of_users and portal_names_of_users, and the triggers history_*. Tenants can't
-- see SUPER_ADMINs.
SELECT portal_watch('users', $$CASE WHEN r.role <> 'SUPER_ADMIN' THEN r.organization_id END$$, '{password}',
    $$coalesce(nullif(btrim(concat_ws(' ', r.first_name, r.last_name)), ''), r.email)$$);
CREATE TRIGGER key_stays BEFORE UPDATE ON users FOR EACH ROW WHEN (OLD.id <> NEW.id)
EXECUTE FUNCTION portal_key_stays();


-- Access for tenants

ALTER TABLE activity ENABLE ROW LEVEL SECURITY;
-- Events of the actor's organization, and events about the actor.
CREATE POLICY tenant ON activity TO portal_tenant USING (
    organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid)
    OR (table_name = 'users' AND row_id = (SELECT nullif(current_setting('portal.actor_id', true), '')::uuid))
);
GRANT SELECT ON activity TO portal_tenant;

ALTER TABLE operations ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON operations TO portal_tenant USING (
    organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid)
);
GRANT SELECT ON operations TO portal_tenant;
