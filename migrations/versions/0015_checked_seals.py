"""Sealing verifies the seal that it builds on; the start of the history moves only together with its prune event."""

from __future__ import annotations

from typing import Any

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# Why a seal can't be trusted; NULL for one that a known key made over exactly these values.
TROUBLE = """
CREATE FUNCTION portal_seal_trouble(keys bytea[], previous bytea, s activity_seals) RETURNS text LANGUAGE sql STABLE
RETURN (SELECT CASE WHEN count(*) = 0 THEN 'key unknown'
    WHEN bool_or(s.digest = portal_seal_digest(key, previous, s)) IS NOT TRUE THEN 'seal changed' END
    FROM unnest(keys) AS key WHERE sha256(sha256(key)) = s.key_id)
"""

# The seal that the next one builds on. One statement reads and verifies it, so that nothing can be changed in between.
NEWEST = """
CREATE FUNCTION portal_newest_seal(keys bytea[]) RETURNS TABLE (seal activity_seals, trouble text) LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
WITH newest AS (
    SELECT s AS seal,
        (SELECT p.digest FROM activity_seals p WHERE p.id < s.id ORDER BY p.id DESC LIMIT 1) AS previous
    FROM activity_seals s ORDER BY s.id DESC LIMIT 1)
SELECT seal, coalesce(
    CASE WHEN (seal).id IS NOT NULL THEN portal_seal_trouble(keys, previous, seal) END,
    CASE WHEN EXISTS (SELECT FROM activity_leaves WHERE position > coalesce((seal).last, 0)) THEN 'seal missing' END)
FROM (VALUES (true)) AS always LEFT JOIN newest ON true
$$
"""

# As in migration 0004, but it refuses to build on a seal that can't be verified, unless it is forced. Forced, it takes
# nothing that decides what is sealed from that seal. The first key seals, all of them verify.
SEAL = """
CREATE FUNCTION portal_seal_activity(keys bytea[], most integer, kept_from bigint DEFAULT NULL,
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
            gen_random_uuid() AS salt
        FROM activity a
        WHERE a.xid >= pg_snapshot_xmin(before.snapshot)
            AND NOT EXISTS (SELECT FROM activity_leaves l WHERE l.activity_id = a.id)
        ORDER BY a.id LIMIT most),
    hashed AS MATERIALIZED (
        SELECT *, portal_activity_values(salt, event) AS values_hash FROM fresh),
    leaves AS (
        INSERT INTO activity_leaves (position, seal_id, activity_id, salt, values_hash, leaf)
        SELECT position, made.id, (event).id, salt, values_hash,
            portal_activity_leaf(keys[1], position, event, values_hash)
        FROM hashed RETURNING *)
    SELECT min(position), max(position), sha256(string_agg(leaf, '' ORDER BY position)),
        greatest(max(activity_id), before.last_id), pg_current_snapshot(), statement_timestamp(), count(*) = most
    INTO made.first, made.last, made.leaves, made.last_id, made.snapshot, made.seen_at, is_full FROM leaves;
    IF made.first IS NULL THEN
        RETURN;
    END IF;
    IF portal_seal_activity.kept_from IS NOT NULL AND NOT EXISTS (
        SELECT FROM activity_leaves l JOIN activity a ON a.id = l.activity_id
        WHERE l.position BETWEEN made.first AND made.last AND a.action = 'prune'
            AND a.changes->'position'->>1 = made.kept_from::text) THEN
        RAISE EXCEPTION USING ERRCODE = 'data_corrupted', MESSAGE = 'prune event missing';
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
END $$
"""

# As in migration 0004. Where the history starts is what the newest prune event says that is sealed, as it was written,
# in a seal that says the same; a seal that moves the start without such an event is a trouble.
VERIFY = """
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
pruned AS MATERIALIZED (
    SELECT c.id, c.kept_from
    FROM activity a JOIN activity_leaves l ON l.activity_id = a.id
    JOIN chain c ON c.id = l.seal_id AND l.position BETWEEN c.first AND c.last
    WHERE a.action = 'prune' AND a.changes->'position'->>1 = c.kept_from::text AND c.is_intact
        AND l.values_hash = portal_activity_values(l.salt, a)
        AND l.leaf = portal_activity_leaf(c.key, l.position, a, l.values_hash)),
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
    SELECT CASE
        WHEN a.id IS NULL THEN 'removed'
        WHEN l.position IS NULL THEN
            CASE WHEN portal_is_misplaced(a, n.before) THEN 'inserted' END
        WHEN c.id IS NULL THEN 'sealed by nobody'
        WHEN c.key IS NULL THEN NULL
        WHEN l.leaf IS DISTINCT FROM portal_activity_leaf(c.key, l.position, a, l.values_hash) THEN 'changed'
        WHEN l.salt IS NULL THEN CASE
            WHEN num_nonnulls(a.changes, a.address, a.agent) > 0 THEN 'filled in after its values were erased'
            WHEN NOT EXISTS (SELECT FROM activity e WHERE e.action = 'erase' AND e.table_name = a.table_name
                AND e.row_id = a.row_id AND e.id > a.id) THEN 'emptied without an event that erased its values' END
        WHEN l.values_hash <> portal_activity_values(l.salt, a) THEN 'changed'
        WHEN portal_is_misplaced(a, c.before) THEN 'inserted before it was sealed' END AS trouble,
        coalesce(a.id, l.activity_id) AS event_id, l.position AS at_position
    FROM activity a FULL JOIN activity_leaves l ON l.activity_id = a.id
    LEFT JOIN kept c ON c.id = l.seal_id AND l.position BETWEEN c.first AND c.last
    LEFT JOIN newest n ON true),
troubles AS (
    SELECT * FROM judged WHERE trouble IS NOT NULL
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
$$
"""

# As in migration 0004, but what is old is what a chain of seals says that is verified in the same statement.
PRUNE = """
CREATE FUNCTION portal_prune_activity(keys bytea[], before timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
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
    DELETE FROM activity a USING activity_leaves l WHERE l.activity_id = a.id AND l.position <= upto;
    GET DIAGNOSTICS pruned = ROW_COUNT;
    DELETE FROM activity_leaves WHERE position <= upto;
    PERFORM set_config('portal.retention', '', true);
    INSERT INTO activity (action, changes) VALUES ('prune', jsonb_build_object(
        'position', jsonb_build_array(since, upto + 1), 'events', jsonb_build_array(pruned, 0)));
    PERFORM portal_seal_activity(keys, 2147483647, upto + 1);  -- all that waits: the prune event must be in this seal
    RETURN pruned;
END $$
"""

# In the order in which they refer to each other, with what they are called in migration 0004.
FUNCTIONS = {
    "portal_seal_trouble(bytea[], bytea, activity_seals)": TROUBLE,
    "portal_newest_seal(bytea[])": NEWEST,
    "portal_seal_activity(bytea[], integer, bigint, boolean)": SEAL,
    "portal_prune_activity(bytea[], timestamptz)": PRUNE,
}
FORMER = ("portal_seal_activity(bytea, integer, bigint)", "portal_prune_activity(bytea, timestamptz)")
VERIFYING = "portal_verify_activity(bytea[])"


def upgrade() -> None:
    for function in FORMER:
        op.execute(f"DROP FUNCTION {function}")
    for function, definition in FUNCTIONS.items():
        op.execute(definition)
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    op.execute(VERIFY)


def downgrade() -> None:
    for function in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {function}")
    former = _functions_of("0004")
    for function in FORMER:
        op.execute(former[function])
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    op.execute(former[VERIFYING].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))


def _functions_of(migration: str) -> dict[str, str]:
    script: Any = op.get_context().script
    functions: dict[str, str] = script.get_revision(migration).module.FUNCTIONS
    return functions
