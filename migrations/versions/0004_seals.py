"""Tamper evidence: events are sealed in batches into a keyed hash chain, beside the table that is only added to.

Leaves and seals are tables of their own, so that writers of events wait for nothing. A leaf covers the event and a
salted hash of its personal values (changes, address, agent): erasing these, and the salt, leaves the chain valid.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

LEAF = """
CREATE FUNCTION portal_activity_leaf(key bytea, pos bigint, a activity, values_hash bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE
RETURN sha256(key || sha256(convert_to(ROW(pos, a.id, extract(epoch FROM a.at), a.xid, a.operation_id, a.is_first,
    a.actor_id, a.actor_role, a.database_user, a.request_id, a.organization_id, a.action, a.table_name, a.row_id,
    a.row_version, a.undoes, a.times, values_hash)::text, 'UTF8')))
"""

VALUES_HASH = """
CREATE FUNCTION portal_activity_values(salt uuid, a activity) RETURNS bytea LANGUAGE sql IMMUTABLE
RETURN sha256(convert_to(ROW(salt, a.changes, a.address, a.agent)::text, 'UTF8'))
"""

# Seals everything visible that is not sealed yet, at most so many events, in a transaction of its own; one at a time.
# A full batch keeps the snapshot of the seal before, so that the rest of the backlog stays in sight.
SEAL = """
CREATE FUNCTION portal_seal_activity(key bytea, most integer)
RETURNS TABLE (sealed bigint, seal integer, digest bytea) LANGUAGE plpgsql AS $$
DECLARE
    before activity_seals;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('portal_seal_activity')) THEN
        RETURN;
    END IF;
    PERFORM portal_gather_repeats();
    SELECT * INTO before FROM activity_seals ORDER BY id DESC LIMIT 1;
    RETURN QUERY WITH fresh AS MATERIALIZED (
        SELECT a AS event, coalesce(before.last, 0) + row_number() OVER (ORDER BY a.id) AS position,
            gen_random_uuid() AS salt
        FROM activity a
        WHERE a.xid >= pg_snapshot_xmin(coalesce(before.snapshot, '1:1:'))
            AND NOT EXISTS (SELECT FROM activity_leaves l WHERE l.activity_id = a.id)
        ORDER BY a.id LIMIT most),
    hashed AS MATERIALIZED (
        SELECT *, portal_activity_values(salt, event) AS values_hash FROM fresh),
    leaves AS (
        INSERT INTO activity_leaves (position, seal_id, activity_id, salt, values_hash, leaf)
        SELECT position, coalesce(before.id, 0) + 1, (event).id, salt, values_hash,
            portal_activity_leaf(key, position, event, values_hash)
        FROM hashed RETURNING *),
    made AS (
        INSERT INTO activity_seals (id, sealed_at, snapshot, first, last, last_id, key_id, digest)
        SELECT coalesce(before.id, 0) + 1, clock_timestamp(),
            CASE WHEN count(*) < most THEN pg_current_snapshot() ELSE coalesce(before.snapshot, '1:1:') END,
            min(position), max(position),
            CASE WHEN count(*) < most THEN greatest(max(activity_id), before.last_id)
                ELSE coalesce(before.last_id, 0) END,
            sha256(sha256(key)),
            sha256(key || coalesce(before.digest, '') || sha256(string_agg(leaf, '' ORDER BY position)))
        FROM leaves HAVING count(*) > 0 RETURNING *)
    SELECT m.last - m.first + 1, m.id, m.digest FROM made m;
END $$
"""

# One row for each trouble, in the order of the chain. Positions up to the newest `prune` event are gone on purpose.
VERIFY = """
CREATE FUNCTION portal_verify_activity(keys bytea[])
RETURNS TABLE (trouble text, event_id bigint, at_position bigint) LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
WITH known AS (SELECT key, sha256(sha256(key)) AS key_id FROM unnest(keys) AS key),
pruned AS (SELECT coalesce(max((changes -> 'position' ->> 1)::bigint), 0) AS upto FROM activity WHERE action = 'prune'),
chain AS MATERIALIZED (
    SELECT s.*, k.key, lag(s.digest) OVER w AS previous, lag(s.snapshot) OVER w AS old, lag(s.last_id) OVER w AS old_id,
        lag(s.last) OVER w AS old_last, lag(s.id) OVER w AS old_seal
    FROM activity_seals s LEFT JOIN known k USING (key_id) WINDOW w AS (ORDER BY s.id)),
newest AS (SELECT * FROM chain ORDER BY id DESC LIMIT 1),
sealed AS (SELECT seal_id, string_agg(leaf, '' ORDER BY position) AS leaves FROM activity_leaves GROUP BY seal_id),
judged AS (
    SELECT CASE
        WHEN a.id IS NULL THEN 'removed'
        WHEN l.position IS NULL THEN CASE
            WHEN a.xid < pg_snapshot_xmin(h.snapshot) OR a.xid >= pg_snapshot_xmax(h.snapshot) AND a.id <= h.last_id
            THEN 'inserted' END
        WHEN c.id IS NULL THEN 'leaf without a seal'
        WHEN c.key IS NULL THEN NULL
        WHEN l.leaf IS DISTINCT FROM portal_activity_leaf(c.key, l.position, a, l.values_hash) THEN 'changed'
        WHEN l.salt IS NULL THEN CASE
            WHEN num_nonnulls(a.changes, a.address, a.agent) > 0 THEN 'values put back after erasure' END
        WHEN l.values_hash <> portal_activity_values(l.salt, a) THEN 'values changed'
        WHEN a.xid < pg_snapshot_xmin(c.old) OR a.xid >= pg_snapshot_xmax(c.old) AND a.id <= c.old_id
            THEN 'out of order' END AS trouble, coalesce(a.id, l.activity_id) AS event_id, l.position AS at_position
    FROM activity a FULL JOIN activity_leaves l ON l.activity_id = a.id
    LEFT JOIN chain c ON c.id = l.seal_id
    LEFT JOIN newest h ON true),
troubles AS (
    SELECT * FROM judged WHERE trouble IS NOT NULL
    UNION ALL
    SELECT 'leaf missing', NULL, position + 1 FROM (
        SELECT position, lead(position) OVER (ORDER BY position) AS following FROM activity_leaves) gaps
    WHERE following <> position + 1
    UNION ALL
    SELECT 'seal missing', NULL, first FROM chain
    WHERE first <> coalesce(old_last, 0) + 1 OR id <> coalesce(old_seal, 0) + 1
    UNION ALL
    SELECT 'key unknown', NULL, min(first) FROM chain, pruned WHERE key IS NULL AND last > upto GROUP BY key_id
    UNION ALL
    SELECT 'seal broken', NULL, c.first FROM pruned CROSS JOIN chain c LEFT JOIN sealed s ON s.seal_id = c.id
    WHERE c.last > upto AND c.key IS NOT NULL
        AND c.digest IS DISTINCT FROM sha256(c.key || coalesce(c.previous, '') || sha256(s.leaves)))
SELECT * FROM troubles ORDER BY at_position, event_id
$$
"""

# Whole seals whose events are all older go, oldest first; the seals themselves stay, for the chain goes on from them.
PRUNE = """
CREATE FUNCTION portal_prune_activity(before timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    upto bigint;
    since bigint;
    pruned bigint;
BEGIN
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
        'position', jsonb_build_array(since, upto), 'events', jsonb_build_array(pruned, 0)));
    RETURN pruned;
END $$
"""

FUNCTIONS = {
    "portal_activity_leaf(bytea, bigint, activity, bytea)": LEAF,
    "portal_activity_values(uuid, activity)": VALUES_HASH,
    "portal_seal_activity(bytea, integer)": SEAL,
    "portal_verify_activity(bytea[])": VERIFY,
    "portal_prune_activity(timestamptz)": PRUNE,
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
            snapshot pg_snapshot NOT NULL, first bigint NOT NULL, last bigint NOT NULL, last_id bigint NOT NULL,
            key_id bytea NOT NULL, digest bytea NOT NULL)
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
    for function in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {function}")
    for table in ("activity_seals", "activity_leaves"):
        op.drop_table(table)
