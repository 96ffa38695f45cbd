-- The keyed hash of a seal and the digest of the one before it.
CREATE OR REPLACE FUNCTION portal_seal_digest(key bytea, previous bytea, s activity_seals)
RETURNS bytea LANGUAGE sql STABLE
RETURN sha256(key || sha256(convert_to(ROW(encode(previous, 'hex'), s.id, extract(epoch FROM s.sealed_at), s.snapshot,
    s.xid, s.last_id, extract(epoch FROM s.seen_at), s.first, s.last, s.kept_from, encode(s.leaves, 'hex'),
    encode(s.key_id, 'hex'))::text, 'UTF8')));
REVOKE ALL ON FUNCTION portal_seal_digest FROM PUBLIC;
