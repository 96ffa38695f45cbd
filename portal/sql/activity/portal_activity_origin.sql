-- The salted hash of an event's origin: the address and device of whoever caused it.
CREATE OR REPLACE FUNCTION portal_activity_origin(salt uuid, a activity) RETURNS bytea LANGUAGE sql STABLE
RETURN sha256(convert_to(ROW(salt, a.address, a.agent)::text, 'UTF8'));
REVOKE ALL ON FUNCTION portal_activity_origin FROM PUBLIC;
