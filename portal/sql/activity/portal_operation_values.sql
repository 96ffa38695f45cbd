-- The salted hash of the personal values of the operations that begin with an event.
CREATE OR REPLACE FUNCTION portal_operation_values(salt uuid, personal text) RETURNS bytea LANGUAGE sql STABLE
RETURN sha256(convert_to(ROW(salt, personal)::text, 'UTF8'));
REVOKE ALL ON FUNCTION portal_operation_values FROM PUBLIC;
