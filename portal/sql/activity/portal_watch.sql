-- Records the history of a table: creates the function portal_history_of_<table>, the triggers that call it, and
-- portal_names_of_<table>. Call it again after adding or dropping a column. `tenant` and `name` are expressions over a
-- row `r`; by default, `name` is the column `name`. Changes to columns in `secrets` are recorded without values. The
-- event of a new row has no values: they can be derived from the current row and the changes since.
--
-- Both functions keep their plans, whatever the session has set. Plans made for one row also run for a million, so old
-- and new rows are never joined by nested loops.
CREATE OR REPLACE FUNCTION portal_watch(watched regclass, tenant text, secrets text[] DEFAULT '{}',
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
