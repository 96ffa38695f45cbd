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
        AND l.values_hash = portal_activity_values(l.salt, a, l.origin_hash)
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
            WHEN o.content IS NOT NULL OR o.has_origin THEN 'operation filled in after its values were erased'
            WHEN NOT EXISTS (SELECT FROM operations p JOIN activity e ON e.row_id = ANY (p.row_ids)
                WHERE p.event_id = a.id AND e.action = 'erase' AND e.id > a.id)
            THEN 'operation emptied without an event that erased its values' END
        WHEN l.operation_hash <> portal_operation_values(l.operation_salt,
            CASE WHEN l.origin_hash IS NULL THEN o.personal ELSE o.content END)
            OR l.origin_hash IS NOT NULL AND EXISTS (SELECT FROM operations p WHERE p.event_id = a.id
                AND (p.address, p.agent) IS DISTINCT FROM (a.address, a.agent)) THEN 'operation changed' END,
        CASE
        WHEN a.id IS NULL OR c.key IS NULL THEN NULL
        WHEN l.salt IS NULL THEN CASE
            WHEN num_nonnulls(a.changes, a.address, a.agent) > 0 THEN 'filled in after its values were erased'
            WHEN NOT EXISTS (SELECT FROM activity e WHERE e.action = 'erase' AND e.table_name = a.table_name
                AND e.row_id = a.row_id AND e.id > a.id) THEN 'emptied without an event that erased its values' END
        WHEN l.values_hash <> portal_activity_values(l.salt, a, l.origin_hash) THEN 'changed'
        WHEN l.origin_hash IS NOT NULL AND l.origin_salt IS NULL THEN CASE
            WHEN num_nonnulls(a.address, a.agent) > 0 THEN 'filled in after its values were erased'
            WHEN NOT EXISTS (SELECT FROM activity e WHERE e.action = 'erase' AND e.table_name = 'users'
                AND e.row_id = a.actor_id AND e.id > a.id) THEN 'emptied without an event that erased its values' END
        WHEN l.origin_hash <> portal_activity_origin(l.origin_salt, a) THEN 'changed'
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
