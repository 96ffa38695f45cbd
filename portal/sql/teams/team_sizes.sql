-- Triggers, policies and grants of team_sizes, which only triggers change. Tenants can't see how many SUPER_ADMINs are
-- in their teams.

CREATE OR REPLACE TRIGGER team_sizes AFTER UPDATE ON users REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_members();

DROP POLICY IF EXISTS tenant ON team_sizes;
DROP POLICY IF EXISTS reader ON team_sizes;
REVOKE ALL ON team_sizes FROM portal_tenant, portal_reader;

ALTER TABLE team_sizes ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON team_sizes TO portal_tenant
USING (organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid));
GRANT SELECT (team_id, organization_id, seen) ON team_sizes TO portal_tenant;
CREATE POLICY reader ON team_sizes FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON team_sizes TO portal_reader;
