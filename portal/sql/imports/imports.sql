-- Policies and grants of imports.

DROP POLICY IF EXISTS tenant ON imports;
DROP POLICY IF EXISTS reader ON imports;
REVOKE ALL ON imports FROM portal_tenant, portal_reader;
ALTER TABLE imports ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON imports TO portal_tenant
USING (organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON imports TO portal_tenant;
CREATE POLICY reader ON imports FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON imports TO portal_reader;
