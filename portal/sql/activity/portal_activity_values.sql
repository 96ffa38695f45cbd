-- The salted hash of an event's personal values. The text of a row depends on no setting except bytea_output.
CREATE OR REPLACE FUNCTION portal_activity_values(salt uuid, a activity) RETURNS bytea LANGUAGE sql STABLE
RETURN sha256(convert_to(ROW(salt, a.changes, a.address, a.agent)::text, 'UTF8'));
REVOKE ALL ON FUNCTION portal_activity_values FROM PUBLIC;
