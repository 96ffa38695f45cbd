"""Tamper evidence: events are sealed in batches into a keyed hash chain, beside the table that is only added to.

Leaves and seals are tables of their own, so that writers of events wait for nothing. A leaf covers the event and a
salted hash of its personal values (changes, address, agent): erasing these, and the salt, leaves the chain valid.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from portal.cli.loss import refuse_to_lose

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# A row as text depends on no setting but bytea_output: hence encode, and the time in seconds.
VALUES_HASH = """
CREATE FUNCTION portal_activity_values(salt uuid, a activity) RETURNS bytea LANGUAGE sql STABLE
RETURN sha256(convert_to(ROW(salt, a.changes, a.address, a.agent)::text, 'UTF8'))
"""

LEAF = """
CREATE FUNCTION portal_activity_leaf(key bytea, pos bigint, a activity, values_hash bytea) RETURNS bytea
LANGUAGE sql STABLE
RETURN sha256(key || sha256(convert_to(ROW(pos, a.id, extract(epoch FROM a.at), a.xid, a.key, a.operation_id,
    a.is_first, a.actor_id, a.actor_role, a.database_user, a.request_id, a.organization_id, a.action, a.table_name,
    a.row_id, a.row_version, a.undoes, a.times, encode(values_hash, 'hex'))::text, 'UTF8')))
"""

DIGEST = """
CREATE FUNCTION portal_seal_digest(key bytea, previous bytea, s activity_seals) RETURNS bytea LANGUAGE sql STABLE
RETURN sha256(key || sha256(convert_to(ROW(encode(previous, 'hex'), s.id, extract(epoch FROM s.sealed_at), s.snapshot,
    s.xid, s.last_id, extract(epoch FROM s.seen_at), s.first, s.last, s.kept_from, encode(s.leaves, 'hex'),
    encode(s.key_id, 'hex'))::text, 'UTF8')))
"""

# Seals what is visible and not sealed yet, at most so many events; one at a time. Without any there is no seal.
# A seal says what was seen: the snapshot and the last event, and the own transaction and the time, after which whoever
# begins gets greater numbers. Late commits are no matter: each run looks back to what the snapshot before did not show.
# What a full batch saw is not all sealed yet, and a transaction that wrote before it looked can't tell who began later:
# their seals say what the seal before said. A dump restored on a younger server meets numbers that begin anew: its
# first seal forgets the old.
SEAL = """
CREATE FUNCTION portal_seal_activity(key bytea, most integer, kept_from bigint DEFAULT NULL)
RETURNS TABLE (sealed bigint, seal integer, upto bigint, digest bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    has_written CONSTANT boolean := pg_current_xact_id_if_assigned() IS NOT NULL;
    before activity_seals;
    made activity_seals;
    is_full boolean;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('portal_seal_activity')) THEN
        RETURN;
    END IF;
    SELECT s.* INTO before FROM activity_seals s ORDER BY s.id DESC LIMIT 1;
    IF before.id IS NULL OR pg_snapshot_xmax(pg_current_snapshot()) < pg_snapshot_xmin(before.snapshot) THEN
        before.snapshot := '1:1:';
        before.xid := '0';
        before.last_id := 0;
        before.seen_at := '-infinity';
    END IF;
    made.id := coalesce(before.id, 0) + 1;
    made.sealed_at := statement_timestamp();
    made.kept_from := coalesce(portal_seal_activity.kept_from, before.kept_from, 1);
    made.key_id := sha256(sha256(key));
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
            portal_activity_leaf(key, position, event, values_hash)
        FROM hashed RETURNING *)
    SELECT min(position), max(position), sha256(string_agg(leaf, '' ORDER BY position)),
        greatest(max(activity_id), before.last_id), pg_current_snapshot(), statement_timestamp(), count(*) = most
    INTO made.first, made.last, made.leaves, made.last_id, made.snapshot, made.seen_at, is_full FROM leaves;
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
    made.digest := portal_seal_digest(key, before.digest, made);
    INSERT INTO activity_seals VALUES (made.*);
    RETURN QUERY SELECT made.last - made.first + 1, made.id, made.last, made.digest;
END $$
"""

# One row for each trouble.
VERIFY = """
CREATE FUNCTION portal_verify_activity(keys bytea[])
RETURNS TABLE (trouble text, event_id bigint, at_position bigint) LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
WITH known AS (SELECT DISTINCT key, sha256(sha256(key)) AS key_id FROM unnest(keys) AS key),
chain AS MATERIALIZED (
    SELECT s.*, k.key, s.digest = portal_seal_digest(k.key, lag(s.digest) OVER w, s) AS is_intact,
        CASE WHEN pg_snapshot_xmax(s.snapshot) >= pg_snapshot_xmin(lag(s.snapshot) OVER w)
            THEN lag(s) OVER w END AS before,
        lag(s.last) OVER w AS old_last, lag(s.id) OVER w AS old_seal
    FROM activity_seals s LEFT JOIN known k USING (key_id) WINDOW w AS (ORDER BY s.id)),
newest AS MATERIALIZED (
    SELECT CASE WHEN pg_snapshot_xmax(pg_current_snapshot()) >= pg_snapshot_xmin(s.snapshot) THEN s END AS before,
        CASE WHEN c.is_intact THEN c.kept_from ELSE 1 END AS kept_from
    FROM chain c JOIN activity_seals s USING (id) ORDER BY id DESC LIMIT 1),
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
    SELECT 'seal broken', NULL, c.first FROM kept c LEFT JOIN sealed s ON s.seal_id = c.id
    WHERE c.key IS NOT NULL AND c.leaves IS DISTINCT FROM s.leaves)
SELECT * FROM troubles
$$
"""

# Whether an event that the seal `before` does not hold says that it was there by then: what the snapshot saw is whole,
# and what began later has a greater number. The clock may have been set back, by less than an hour.
MISPLACED = """
CREATE FUNCTION portal_is_misplaced(a activity, before activity_seals) RETURNS boolean LANGUAGE sql STABLE
RETURN pg_visible_in_snapshot(a.xid, before.snapshot)
    OR a.xid = before.xid  -- that transaction sealed, and wrote no event
    OR a.xid > before.xid AND (a.id <= before.last_id OR a.at < before.seen_at - interval '1 hour')
    OR a.xid < before.xid AND EXISTS (  -- it committed late: then it began after the seals with lower numbers
        SELECT FROM activity_seals s WHERE s.id < before.id AND s.xid <= a.xid
            AND (s.xid = a.xid OR a.id <= s.last_id OR a.at < s.seen_at - interval '1 hour'))
"""

# What waits to be sealed, and since when.
UNSEALED = """
CREATE FUNCTION portal_unsealed_activity() RETURNS TABLE (events bigint, since timestamptz) LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT count(*), min(a.at) FROM activity a
    WHERE NOT EXISTS (SELECT FROM activity_leaves l WHERE l.activity_id = a.id);
END
"""

# Retention: whole seals that are older go, oldest first. A seal of its own says from where on events are kept; the
# former seals stay, for the chain begins with them.
PRUNE = """
CREATE FUNCTION portal_prune_activity(key bytea, before timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    upto bigint;
    since bigint;
    pruned bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('portal_seal_activity'));
    SELECT max(last) INTO upto FROM activity_seals WHERE sealed_at < before;
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
    PERFORM portal_seal_activity(key, 100000, upto + 1);
    RETURN pruned;
END $$
"""

# Empties the values of all events about one row, for the right to be forgotten; that it was done is an event.
ERASE = """
CREATE FUNCTION portal_erase_activity(erased text, erased_id uuid) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    emptied bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('portal_seal_activity'));
    PERFORM set_config('portal.retention', 'on', true);
    UPDATE activity_leaves l SET salt = NULL FROM activity a
    WHERE a.id = l.activity_id AND a.table_name = erased AND a.row_id = erased_id;
    UPDATE activity SET changes = NULL, address = NULL, agent = NULL
    WHERE table_name = erased AND row_id = erased_id;
    GET DIAGNOSTICS emptied = ROW_COUNT;
    PERFORM set_config('portal.retention', '', true);
    INSERT INTO activity (action, table_name, row_id) VALUES ('erase', erased, erased_id);
    RETURN emptied;
END $$
"""

FUNCTIONS = {
    "portal_activity_values(uuid, activity)": VALUES_HASH,
    "portal_activity_leaf(bytea, bigint, activity, bytea)": LEAF,
    "portal_seal_digest(bytea, bytea, activity_seals)": DIGEST,
    "portal_seal_activity(bytea, integer, bigint)": SEAL,
    "portal_is_misplaced(activity, activity_seals)": MISPLACED,
    "portal_verify_activity(bytea[])": VERIFY,
    "portal_unsealed_activity()": UNSEALED,
    "portal_prune_activity(bytea, timestamptz)": PRUNE,
    "portal_erase_activity(text, uuid)": ERASE,
}


def upgrade() -> None:
    op.create_table(
        "activity_leaves",
        sa.Column("position", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("seal_id", sa.Integer, nullable=False),
        sa.Column("activity_id", sa.BigInteger, nullable=False),
        sa.Column("salt", sa.Uuid),
        sa.Column("values_hash", sa.LargeBinary, nullable=False),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("position", name="activity_leaves_pkey"),
    )
    op.create_index("activity_leaves_activity_id_key", "activity_leaves", ["activity_id"], unique=True)
    op.execute("""
        CREATE TABLE activity_seals (
            id integer CONSTRAINT activity_seals_pkey PRIMARY KEY, sealed_at timestamptz NOT NULL,
            snapshot pg_snapshot NOT NULL, xid xid8 NOT NULL, last_id bigint NOT NULL, seen_at timestamptz NOT NULL,
            first bigint NOT NULL, last bigint NOT NULL, kept_from bigint NOT NULL,
            leaves bytea NOT NULL, key_id bytea NOT NULL, digest bytea NOT NULL)
    """)
    for table in ("activity_leaves", "activity_seals"):
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION portal_append_only()"
        )
    for function, definition in FUNCTIONS.items():
        op.execute(definition)
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")


def downgrade() -> None:
    refuse_to_lose("activity_seals")
    for function in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {function}")
    for table in ("activity_seals", "activity_leaves"):
        op.drop_table(table)
