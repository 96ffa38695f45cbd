-- Erases the values of all events about some rows, and of the operations that name one of them, for the right to be
-- forgotten. If the rows are people, it also erases the origins of what they did to others, except in seals made before
-- origins had a hash of their own. The erasure itself is an event for each row. It looks everything up, whatever the
-- statistics are.
CREATE OR REPLACE FUNCTION portal_erase_activity(erased text, VARIADIC erased_ids uuid[]) RETURNS bigint
LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
    emptied bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('portal_seal_activity'));
    PERFORM set_config('portal.retention', 'on', true);
    UPDATE activity_leaves l SET salt = NULL, origin_salt = NULL FROM activity a
    WHERE a.id = l.activity_id AND a.table_name = erased AND a.row_id = ANY (erased_ids);
    UPDATE activity SET changes = NULL, address = NULL, agent = NULL
    WHERE table_name = erased AND row_id = ANY (erased_ids);
    GET DIAGNOSTICS emptied = ROW_COUNT;
    DELETE FROM activity_repeats WHERE table_name = erased AND row_id = ANY (erased_ids)
        OR erased = 'users' AND actor_id = ANY (erased_ids);
    INSERT INTO activity (action, table_name, row_id) SELECT 'erase', erased, unnest(erased_ids);
    WITH named AS MATERIALIZED (SELECT DISTINCT event_id FROM operations WHERE row_ids && erased_ids),
    unsalted AS (
        UPDATE activity_leaves l SET operation_salt = NULL FROM named WHERE l.activity_id = named.event_id)
    UPDATE operations o SET changes = NULL, names = NULL, search_text = NULL, address = NULL, agent = NULL
    FROM named WHERE o.event_id = named.event_id;
    IF erased = 'users' THEN
        WITH done AS MATERIALIZED (
            SELECT DISTINCT a.id FROM operations o JOIN activity a ON a.operation_id = o.id
            LEFT JOIN activity_leaves l ON l.activity_id = a.id
            WHERE o.actor_id = ANY (erased_ids) AND a.actor_id = ANY (erased_ids)
                AND num_nonnulls(a.address, a.agent) > 0 AND (l.position IS NULL OR l.origin_hash IS NOT NULL)),
        unsalted AS (UPDATE activity_leaves l SET origin_salt = NULL FROM done WHERE l.activity_id = done.id),
        emptied AS (UPDATE activity a SET address = NULL, agent = NULL FROM done WHERE a.id = done.id)
        UPDATE operations o SET address = NULL, agent = NULL FROM done WHERE o.event_id = done.id;
    END IF;
    PERFORM set_config('portal.retention', '', true);
    RETURN emptied;
END $$;
REVOKE ALL ON FUNCTION portal_erase_activity FROM PUBLIC;
