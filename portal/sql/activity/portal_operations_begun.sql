-- What seals cover of the operations that begin with an event: permanent facts, and personal values that can be erased
-- (then NULL). Their origin is that of the event; `personal` repeats it for seals made before events had an origin of
-- their own. No setting may affect a row's text.
CREATE OR REPLACE FUNCTION portal_operations_begun(since bigint)
RETURNS TABLE (event_id bigint, facts text, personal text, content text, has_origin boolean) LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT o.event_id,
        string_agg(ROW(o.xid, o.key, o.id, o.organization_id, extract(epoch FROM o.at), o.actor_id, o.actor_role,
            o.database_user, o.request_id, o.action, o.table_name, o.row_id, o.row_version, o.undoes, o.times,
            o.events, o.counts, o.actions, o.fields, o.row_ids, o.statements)::text, E'\n' ORDER BY o.key),
        string_agg(CASE WHEN num_nonnulls(o.changes, o.names, o.search_text, o.address, o.agent) > 0
            THEN ROW(o.key, o.changes, o.names, o.search_text, o.address, o.agent)::text END, E'\n' ORDER BY o.key),
        string_agg(CASE WHEN num_nonnulls(o.changes, o.names, o.search_text) > 0
            THEN ROW(o.key, o.changes, o.names, o.search_text)::text END, E'\n' ORDER BY o.key),
        bool_or(num_nonnulls(o.address, o.agent) > 0)
    FROM operations o WHERE o.event_id >= since GROUP BY o.event_id;
END;
REVOKE ALL ON FUNCTION portal_operations_begun FROM PUBLIC;
