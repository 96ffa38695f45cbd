-- Triggers, policies and grants of refresh_tokens.

CREATE OR REPLACE TRIGGER open_session BEFORE INSERT ON refresh_tokens FOR EACH ROW
EXECUTE FUNCTION portal_open_session();

DROP POLICY IF EXISTS tenant ON refresh_tokens;
DROP POLICY IF EXISTS reader ON refresh_tokens;
REVOKE ALL ON refresh_tokens FROM portal_tenant, portal_reader;

ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON refresh_tokens TO portal_tenant
USING (EXISTS (SELECT FROM users WHERE users.id = user_id));
GRANT SELECT (
    id, user_id, organization_id, expires_at, created_at, revoked_at, session_id
) ON refresh_tokens TO portal_tenant;
GRANT UPDATE (revoked_at) ON refresh_tokens TO portal_tenant;

CREATE POLICY reader ON refresh_tokens FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    id, user_id, organization_id, expires_at, created_at, revoked_at, session_id
) ON refresh_tokens TO portal_reader;
