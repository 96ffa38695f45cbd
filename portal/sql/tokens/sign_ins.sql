-- Policies and grants of sign_ins.

DROP POLICY IF EXISTS tenant ON sign_ins;
DROP POLICY IF EXISTS reader ON sign_ins;
REVOKE ALL ON sign_ins FROM portal_tenant, portal_reader;

ALTER TABLE sign_ins ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON sign_ins TO portal_tenant
USING (EXISTS (SELECT FROM users WHERE users.id = user_id));
GRANT SELECT (
    id, user_id, organization_id, is_kept, address, agent, created_at, proved_at, used_at, expires_at, ends_at,
    ended_at, is_browser
) ON sign_ins TO portal_tenant;
GRANT UPDATE (ended_at) ON sign_ins TO portal_tenant;

CREATE POLICY reader ON sign_ins FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    id, user_id, organization_id, is_kept, address, agent, idle, created_at, proved_at, used_at, expires_at,
    ends_at, ended_at, is_browser
) ON sign_ins TO portal_reader;
