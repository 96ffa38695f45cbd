-- Policies and grants of api_tokens.

DROP POLICY IF EXISTS tenant ON api_tokens;
DROP POLICY IF EXISTS reader ON api_tokens;
REVOKE ALL ON api_tokens FROM portal_tenant, portal_reader;

ALTER TABLE api_tokens ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON api_tokens TO portal_tenant
USING (EXISTS (SELECT FROM users WHERE users.id = user_id));
GRANT SELECT (
    id, user_id, organization_id, name, beginning, scopes, created_at, expires_at, used_at, revoked_at
) ON api_tokens TO portal_tenant;
GRANT UPDATE (revoked_at) ON api_tokens TO portal_tenant;

CREATE POLICY reader ON api_tokens FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    id, user_id, organization_id, name, beginning, scopes, created_at, expires_at, used_at, revoked_at
) ON api_tokens TO portal_reader;
