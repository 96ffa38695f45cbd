-- Triggers, policies and grants of passkeys.

CREATE OR REPLACE TRIGGER two_factor AFTER INSERT OR DELETE OR UPDATE OF user_id ON passkeys FOR EACH ROW
EXECUTE FUNCTION portal_keep_two_factor();

DROP POLICY IF EXISTS reader ON passkeys;
REVOKE ALL ON passkeys FROM portal_tenant, portal_reader;

CREATE POLICY reader ON passkeys FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    id, user_id, name, credential_id, public_key, sign_count, created_at, used_at
) ON passkeys TO portal_reader;
