-- The keyed hash of an event, and of the operations that begin with it: one leaf of a seal. No setting may affect a
-- row's text, so bytea is encoded and times are in seconds.
CREATE OR REPLACE FUNCTION portal_activity_leaf(
    key bytea, pos bigint, a activity, values_hash bytea, operation_facts text, operation_hash bytea) RETURNS bytea
LANGUAGE sql STABLE
RETURN sha256(key || sha256(convert_to(ROW(pos, a.id, extract(epoch FROM a.at), a.xid, a.key, a.operation_id,
    a.actor_id, a.actor_role, a.database_user, a.request_id, a.organization_id, a.action, a.table_name, a.row_id,
    a.row_version, a.undoes, a.times, encode(values_hash, 'hex'), operation_facts,
    encode(operation_hash, 'hex'))::text, 'UTF8')));
REVOKE ALL ON FUNCTION portal_activity_leaf FROM PUBLIC;
