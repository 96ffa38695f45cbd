-- The functions before origins had a hash of their own.

DROP FUNCTION portal_activity_values, portal_operations_begun, portal_activity_origin;
ALTER TABLE activity_leaves DROP COLUMN origin_salt, DROP COLUMN origin_hash;

-- The salted hash of an event's personal values. The text of a row depends on no setting except bytea_output.
CREATE OR REPLACE FUNCTION portal_activity_values(salt uuid, a activity) RETURNS bytea LANGUAGE sql STABLE
RETURN sha256(convert_to(ROW(salt, a.changes, a.address, a.agent)::text, 'UTF8'));
REVOKE ALL ON FUNCTION portal_activity_values FROM PUBLIC;

-- What seals cover of the operations that begin with an event: permanent facts, and personal values that can be erased
-- (then NULL). No setting may affect a row's text.
CREATE OR REPLACE FUNCTION portal_operations_begun(since bigint)
RETURNS TABLE (event_id bigint, facts text, personal text) LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT o.event_id,
        string_agg(ROW(o.xid, o.key, o.id, o.organization_id, extract(epoch FROM o.at), o.actor_id, o.actor_role,
            o.database_user, o.request_id, o.action, o.table_name, o.row_id, o.row_version, o.undoes, o.times,
            o.events, o.counts, o.actions, o.fields, o.row_ids, o.statements)::text, E'\n' ORDER BY o.key),
        string_agg(CASE WHEN num_nonnulls(o.changes, o.names, o.search_text, o.address, o.agent) > 0
            THEN ROW(o.key, o.changes, o.names, o.search_text, o.address, o.agent)::text END, E'\n' ORDER BY o.key)
    FROM operations o WHERE o.event_id >= since GROUP BY o.event_id;
END;
REVOKE ALL ON FUNCTION portal_operations_begun FROM PUBLIC;

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
            gen_random_uuid() AS salt, gen_random_uuid() AS operation_salt
        FROM activity a
        WHERE a.xid >= pg_snapshot_xmin(before.snapshot)
            AND NOT EXISTS (SELECT FROM activity_leaves l WHERE l.activity_id = a.id)
        ORDER BY a.id LIMIT most),
    hashed AS MATERIALIZED (
        SELECT f.*, o.event_id, o.facts, portal_activity_values(f.salt, f.event) AS values_hash,
            CASE WHEN o.event_id IS NOT NULL THEN portal_operation_values(f.operation_salt, o.personal) END
                AS operation_hash
        FROM fresh f LEFT JOIN portal_operations_begun((SELECT min((event).id) FROM fresh)) o
            ON o.event_id = (f.event).id),
    leaves AS (
        INSERT INTO activity_leaves (position, seal_id, activity_id, salt, values_hash, operation_salt,
            operation_hash, leaf)
        SELECT position, made.id, (event).id, salt, values_hash, CASE WHEN event_id IS NOT NULL THEN operation_salt END,
            operation_hash, portal_activity_leaf(keys[1], position, event, values_hash, facts, operation_hash)
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

-- Verifies the history. Returns one row for each problem. The history starts at the position in the newest intact prune
-- event whose seal has the same position; a seal that moves the start without such an event is a problem.
CREATE OR REPLACE FUNCTION portal_verify_activity(keys bytea[])
RETURNS TABLE (trouble text, event_id bigint, at_position bigint) LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
WITH known AS (SELECT DISTINCT key, sha256(sha256(key)) AS key_id FROM unnest(keys) AS key),
chain AS MATERIALIZED (
    SELECT s.*, k.key, s.digest = portal_seal_digest(k.key, lag(s.digest) OVER w, s) AS is_intact,
        CASE WHEN pg_snapshot_xmax(s.snapshot) >= pg_snapshot_xmin(lag(s.snapshot) OVER w)
            THEN lag(s) OVER w END AS before,
        lag(s.last) OVER w AS old_last, lag(s.id) OVER w AS old_seal
    FROM activity_seals s LEFT JOIN known k USING (key_id) WINDOW w AS (ORDER BY s.id)),
operated AS MATERIALIZED (SELECT * FROM portal_operations_begun(0)),
pruned AS MATERIALIZED (
    SELECT c.id, c.kept_from
    FROM activity a JOIN activity_leaves l ON l.activity_id = a.id
    JOIN chain c ON c.id = l.seal_id AND l.position BETWEEN c.first AND c.last
    LEFT JOIN operated o ON o.event_id = a.id
    WHERE a.action = 'prune' AND a.changes->'position'->>1 = c.kept_from::text AND c.is_intact
        AND l.values_hash = portal_activity_values(l.salt, a)
        AND l.leaf = portal_activity_leaf(c.key, l.position, a, l.values_hash, o.facts, l.operation_hash)),
newest AS MATERIALIZED (
    SELECT CASE WHEN pg_snapshot_xmax(pg_current_snapshot()) >= pg_snapshot_xmin(s.snapshot) THEN s END AS before,
        coalesce((SELECT max(kept_from) FROM pruned), 1) AS kept_from
    FROM activity_seals s ORDER BY id DESC LIMIT 1),
kept AS MATERIALIZED (SELECT c.* FROM chain c CROSS JOIN newest n WHERE c.last >= n.kept_from),
sealed AS MATERIALIZED (
    SELECT seal_id, min(position) AS first, max(position) AS last, count(*) AS many,
        sha256(string_agg(leaf, '' ORDER BY position)) AS leaves
    FROM activity_leaves GROUP BY seal_id),
judged AS (
    SELECT coalesce(CASE
        WHEN a.id IS NULL THEN 'removed'
        WHEN l.position IS NULL THEN
            CASE WHEN portal_is_misplaced(a, n.before) THEN 'inserted' END
        WHEN c.id IS NULL THEN 'not in any seal'
        WHEN c.key IS NULL THEN NULL
        WHEN l.leaf IS DISTINCT FROM portal_activity_leaf(c.key, l.position, a, l.values_hash, o.facts,
            l.operation_hash) THEN 'changed'
        WHEN l.operation_hash IS NULL THEN NULL
        WHEN l.operation_salt IS NULL THEN CASE
            WHEN o.personal IS NOT NULL THEN 'operation filled in after its values were erased'
            WHEN NOT EXISTS (SELECT FROM operations p JOIN activity e ON e.row_id = ANY (p.row_ids)
                WHERE p.event_id = a.id AND e.action = 'erase' AND e.id > a.id)
            THEN 'operation emptied without an event that erased its values' END
        WHEN l.operation_hash <> portal_operation_values(l.operation_salt, o.personal) THEN 'operation changed' END,
        CASE
        WHEN a.id IS NULL OR c.key IS NULL THEN NULL
        WHEN l.salt IS NULL THEN CASE
            WHEN num_nonnulls(a.changes, a.address, a.agent) > 0 THEN 'filled in after its values were erased'
            WHEN NOT EXISTS (SELECT FROM activity e WHERE e.action = 'erase' AND e.table_name = a.table_name
                AND e.row_id = a.row_id AND e.id > a.id) THEN 'emptied without an event that erased its values' END
        WHEN l.values_hash <> portal_activity_values(l.salt, a) THEN 'changed'
        WHEN portal_is_misplaced(a, c.before) THEN 'inserted before it was sealed' END) AS trouble,
        coalesce(a.id, l.activity_id) AS event_id, l.position AS at_position
    FROM activity a FULL JOIN activity_leaves l ON l.activity_id = a.id
    LEFT JOIN kept c ON c.id = l.seal_id AND l.position BETWEEN c.first AND c.last
    LEFT JOIN operated o ON o.event_id = a.id LEFT JOIN newest n ON true),
troubles AS (
    SELECT * FROM judged WHERE trouble IS NOT NULL
    UNION ALL
    SELECT 'operation without its event', event_id, NULL FROM operated o
    WHERE NOT EXISTS (SELECT FROM activity a WHERE a.id = o.event_id)
        AND NOT EXISTS (SELECT FROM activity_leaves l WHERE l.activity_id = o.event_id)
    UNION ALL
    SELECT 'missing', NULL, position
    FROM kept c LEFT JOIN sealed s ON s.seal_id = c.id CROSS JOIN generate_series(c.first, c.last) AS position
    WHERE c.is_intact AND (s.first, s.last, s.many) IS DISTINCT FROM (c.first, c.last, c.last::numeric - c.first + 1)
        AND NOT EXISTS (SELECT FROM activity_leaves l WHERE l.position = position.position AND l.seal_id = c.id)
    UNION ALL
    SELECT 'seal missing', NULL, first FROM chain
    WHERE first <> coalesce(old_last, 0)::numeric + 1 OR id <> coalesce(old_seal, 0)::numeric + 1
    UNION ALL
    SELECT 'key unknown', NULL, min(first) FROM kept WHERE key IS NULL GROUP BY key_id
    UNION ALL
    SELECT 'seal changed', NULL, first FROM chain WHERE NOT is_intact
    UNION ALL
    SELECT 'start of the history moved without a prune event', NULL, c.first
    FROM kept c LEFT JOIN chain p ON p.id = c.old_seal
    WHERE c.is_intact AND (p.id IS NULL OR p.is_intact) AND c.kept_from <> coalesce(p.kept_from, 1)
        AND c.id NOT IN (SELECT id FROM pruned)
    UNION ALL
    SELECT 'seal broken', NULL, c.first FROM kept c LEFT JOIN sealed s ON s.seal_id = c.id
    WHERE c.key IS NOT NULL AND c.leaves IS DISTINCT FROM s.leaves)
SELECT * FROM troubles
$$;
REVOKE ALL ON FUNCTION portal_verify_activity FROM PUBLIC;

-- Erases the values of all events about some rows, and of the operations that name one of them, for the right to be
-- forgotten. The erasure itself is an event for each row. It looks everything up, whatever the statistics are.
CREATE OR REPLACE FUNCTION portal_erase_activity(erased text, VARIADIC erased_ids uuid[]) RETURNS bigint
LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
    emptied bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('portal_seal_activity'));
    PERFORM set_config('portal.retention', 'on', true);
    UPDATE activity_leaves l SET salt = NULL FROM activity a
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
    PERFORM set_config('portal.retention', '', true);
    RETURN emptied;
END $$;
REVOKE ALL ON FUNCTION portal_erase_activity FROM PUBLIC;
