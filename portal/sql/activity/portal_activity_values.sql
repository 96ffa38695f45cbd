-- The salted hash of an event's personal values. It covers the origin by its hash, so that either can be erased. Events
-- without that were sealed earlier. The text of a row depends on no setting except bytea_output.
CREATE OR REPLACE FUNCTION portal_activity_values(salt uuid, a activity, origin_hash bytea) RETURNS bytea
LANGUAGE sql STABLE
RETURN sha256(convert_to(CASE WHEN origin_hash IS NULL THEN ROW(salt, a.changes, a.address, a.agent)::text
    ELSE ROW(salt, a.changes, encode(origin_hash, 'hex'))::text END, 'UTF8'));
REVOKE ALL ON FUNCTION portal_activity_values FROM PUBLIC;
