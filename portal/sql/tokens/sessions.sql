-- Trigger, policies and grants of sessions.

CREATE OR REPLACE TRIGGER limits BEFORE INSERT OR UPDATE OF organization_id ON sessions FOR EACH ROW
WHEN (NEW.organization_id IS NOT NULL) EXECUTE FUNCTION portal_limit_session();

DROP POLICY IF EXISTS tenant ON sessions;
DROP POLICY IF EXISTS reader ON sessions;
REVOKE ALL ON sessions FROM portal_tenant, portal_reader;

ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON sessions TO portal_tenant
USING (EXISTS (SELECT FROM users WHERE users.id = user_id));
GRANT SELECT (
    id, user_id, organization_id, is_kept, address, agent, created_at, authenticated_at, used_at, expires_at, ends_at,
    ended_at, is_browser
) ON sessions TO portal_tenant;
GRANT UPDATE (ended_at) ON sessions TO portal_tenant;

CREATE POLICY reader ON sessions FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    id, user_id, organization_id, is_kept, address, agent, idle, created_at, authenticated_at, used_at, expires_at,
    ends_at, ended_at, is_browser, viewed_id, viewing_until, viewing_access
) ON sessions TO portal_reader;
