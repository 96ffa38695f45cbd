-- Policies and grants of recovery_codes.

DROP POLICY IF EXISTS reader ON recovery_codes;
REVOKE ALL ON recovery_codes FROM portal_tenant, portal_reader;

CREATE POLICY reader ON recovery_codes FOR SELECT TO portal_reader USING (true);
GRANT SELECT (user_id) ON recovery_codes TO portal_reader;
