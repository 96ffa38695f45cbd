-- Adds events to the rows of their operations: one for each organization that sees a part, and one for the whole.
-- Each begins as a copy of its first event. All new events are read once; everything else is looked up by primary key,
-- regardless of statistics, because a plan that was made for one event may run for a million.
--
-- After 500 statements of a transaction, its events are counted once, at commit: otherwise each statement would have to
-- skip all former versions of the row.
CREATE OR REPLACE FUNCTION portal_write_operations() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
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
