-- The reason why a seal can't be trusted. NULL if it was made with a known key for exactly these values.
CREATE OR REPLACE FUNCTION portal_seal_trouble(keys bytea[], previous bytea, s activity_seals)
RETURNS text LANGUAGE sql STABLE
RETURN (SELECT CASE WHEN count(*) = 0 THEN 'key unknown'
    WHEN bool_or(s.digest = portal_seal_digest(key, previous, s)) IS NOT TRUE THEN 'seal changed' END
    FROM unnest(keys) AS key WHERE sha256(sha256(key)) = s.key_id);
REVOKE ALL ON FUNCTION portal_seal_trouble FROM PUBLIC;
