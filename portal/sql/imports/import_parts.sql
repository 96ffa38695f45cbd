-- Policies and grants of import_parts.

DROP POLICY IF EXISTS tenant ON import_parts;
DROP POLICY IF EXISTS reader ON import_parts;
REVOKE ALL ON import_parts FROM portal_tenant, portal_reader;
ALTER TABLE import_parts ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON import_parts TO portal_tenant
USING (organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON import_parts TO portal_tenant;
CREATE POLICY reader ON import_parts FOR SELECT TO portal_reader USING (true);
GRANT SELECT (import_id, number, organization_id) ON import_parts TO portal_reader;
