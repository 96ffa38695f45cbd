-- Seals visible events that are not sealed yet, up to `most`; one call at a time. Without such events it creates no
-- seal. The first key seals, all keys verify.
--
-- A seal records what it has seen: the snapshot and the last event, and its own transaction and time, after which new
-- transactions get greater ids. Late commits are sealed later: each run looks back to what the previous snapshot didn't
-- show. A full batch hasn't sealed everything that it saw, and a transaction that wrote before it read can't tell which
-- transactions began later: their seals repeat the values of the previous seal. If a dump is restored on a new server,
-- ids start over, so its first seal ignores the old ones.
--
-- It refuses to build on a seal that can't be verified, unless it is forced. Then it doesn't use that seal to decide
-- which events are sealed.
CREATE OR REPLACE FUNCTION portal_seal_activity(keys bytea[], most integer, kept_from bigint DEFAULT NULL,
    is_forced boolean DEFAULT false)
RETURNS TABLE (sealed bigint, seal integer, upto bigint, digest bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    has_written CONSTANT boolean := pg_current_xact_id_if_assigned() IS NOT NULL;
    newest record;
    before activity_seals;
    made activity_seals;
    is_full boolean;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('portal_seal_activity')) THEN
        RETURN;
    END IF;
    SELECT n.seal, n.trouble INTO newest FROM portal_newest_seal(keys) n;
    IF newest.trouble IS NOT NULL AND NOT is_forced THEN
        RAISE EXCEPTION USING ERRCODE = 'data_corrupted', MESSAGE = newest.trouble;
    END IF;
    before := newest.seal;
    IF newest.trouble IS NOT NULL THEN
        before.last := greatest(before.last, (SELECT max(position) FROM activity_leaves));
    END IF;
    IF before.id IS NULL OR newest.trouble IS NOT NULL
        OR pg_snapshot_xmax(pg_current_snapshot()) < pg_snapshot_xmin(before.snapshot) THEN
        before.snapshot := '1:1:';
        before.xid := '0';
        before.last_id := 0;
        before.seen_at := '-infinity';
    END IF;
    made.id := coalesce(before.id, 0) + 1;
    made.sealed_at := statement_timestamp();
    made.kept_from := coalesce(portal_seal_activity.kept_from, before.kept_from, 1);
    made.key_id := sha256(sha256(keys[1]));
    WITH fresh AS MATERIALIZED (
        SELECT a AS event, coalesce(before.last, 0) + row_number() OVER (ORDER BY a.id) AS position,
            gen_random_uuid() AS salt, gen_random_uuid() AS operation_salt, gen_random_uuid() AS origin_salt
        FROM activity a
        WHERE a.xid >= pg_snapshot_xmin(before.snapshot)
            AND NOT EXISTS (SELECT FROM activity_leaves l WHERE l.activity_id = a.id)
        ORDER BY a.id LIMIT most),
    hashed AS MATERIALIZED (
        SELECT f.*, o.event_id, o.facts, g.origin_hash,
            portal_activity_values(f.salt, f.event, g.origin_hash) AS values_hash,
            CASE WHEN o.event_id IS NOT NULL THEN portal_operation_values(f.operation_salt, o.content) END
                AS operation_hash
        FROM fresh f CROSS JOIN LATERAL (SELECT portal_activity_origin(f.origin_salt, f.event) AS origin_hash) g
        LEFT JOIN portal_operations_begun((SELECT min((event).id) FROM fresh)) o
            ON o.event_id = (f.event).id),
    leaves AS (
        INSERT INTO activity_leaves (position, seal_id, activity_id, salt, values_hash, origin_salt, origin_hash,
            operation_salt, operation_hash, leaf)
        SELECT position, made.id, (event).id, salt, values_hash, origin_salt, origin_hash,
            CASE WHEN event_id IS NOT NULL THEN operation_salt END, operation_hash,
            portal_activity_leaf(keys[1], position, event, values_hash, facts, operation_hash)
        FROM hashed RETURNING *)
    SELECT min(position), max(position), sha256(string_agg(leaf, '' ORDER BY position)),
        greatest(max(activity_id), before.last_id), pg_current_snapshot(), statement_timestamp(), count(*) = most
    INTO made.first, made.last, made.leaves, made.last_id, made.snapshot, made.seen_at, is_full FROM leaves;
    IF portal_seal_activity.kept_from IS NOT NULL AND NOT EXISTS (
        SELECT FROM activity_leaves l JOIN activity a ON a.id = l.activity_id
        WHERE l.position BETWEEN made.first AND made.last AND a.action = 'prune'
            AND a.changes->'position'->>1 = made.kept_from::text) THEN
        RAISE EXCEPTION USING ERRCODE = 'data_corrupted', MESSAGE = 'prune event missing';
    END IF;
    IF made.first IS NULL THEN
        RETURN;
    END IF;
    made.xid := pg_current_xact_id();
    IF is_full OR has_written THEN
        made.snapshot := before.snapshot;
        made.xid := before.xid;
        made.last_id := before.last_id;
        made.seen_at := before.seen_at;
    END IF;
    made.digest := portal_seal_digest(keys[1], before.digest, made);
    INSERT INTO activity_seals VALUES (made.*);
    RETURN QUERY SELECT made.last - made.first + 1, made.id, made.last, made.digest;
END $$;
REVOKE ALL ON FUNCTION portal_seal_activity FROM PUBLIC;
