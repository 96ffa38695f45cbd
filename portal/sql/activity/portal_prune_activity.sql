-- Retention: deletes the events of whole seals that are older than `before`. A new seal records the position from which
-- events are kept; the old seals stay, because the chain begins with them. Their age is read from the chain, which is
-- verified in the same statement.
CREATE OR REPLACE FUNCTION portal_prune_activity(keys bytea[], before timestamptz)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    upto bigint;
    is_intact boolean;
    since bigint;
    pruned bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('portal_seal_activity'));
    SELECT max(last) FILTER (WHERE sealed_at < before), bool_and(trouble IS NULL) INTO upto, is_intact
    FROM (SELECT s.last, s.sealed_at, portal_seal_trouble(keys, lag(s.digest) OVER (ORDER BY s.id), s) AS trouble
        FROM activity_seals s) AS chain;
    IF NOT is_intact THEN
        RAISE EXCEPTION USING ERRCODE = 'data_corrupted', MESSAGE = 'seal changed';
    END IF;
    SELECT min(position) INTO since FROM activity_leaves WHERE position <= upto;
    IF since IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM set_config('portal.retention', 'on', true);
    DELETE FROM operations o USING activity_leaves l WHERE l.activity_id = o.event_id AND l.position <= upto;
    DELETE FROM activity a USING activity_leaves l WHERE l.activity_id = a.id AND l.position <= upto;
    GET DIAGNOSTICS pruned = ROW_COUNT;
    DELETE FROM activity_leaves WHERE position <= upto;
    PERFORM set_config('portal.retention', '', true);
    INSERT INTO activity (action, changes) VALUES ('prune', jsonb_build_object(
        'position', jsonb_build_array(since, upto + 1), 'events', jsonb_build_array(pruned, 0)));
    PERFORM portal_seal_activity(keys, 2147483647, upto + 1);  -- all of them: the prune event must be sealed too
    RETURN pruned;
END $$;
REVOKE ALL ON FUNCTION portal_prune_activity FROM PUBLIC;
