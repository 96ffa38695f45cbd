-- Policies and grants of import_rows.

DROP POLICY IF EXISTS tenant ON import_rows;
DROP POLICY IF EXISTS reader ON import_rows;
REVOKE ALL ON import_rows FROM portal_tenant, portal_reader;
ALTER TABLE import_rows ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON import_rows TO portal_tenant
USING (organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON import_rows TO portal_tenant;
CREATE POLICY reader ON import_rows FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON import_rows TO portal_reader;
