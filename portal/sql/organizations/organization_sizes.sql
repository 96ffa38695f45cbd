-- Policies and grants of organization_sizes, which only triggers change. Tenants can't see it.

DROP POLICY IF EXISTS reader ON organization_sizes;
REVOKE ALL ON organization_sizes FROM portal_tenant, portal_reader;

ALTER TABLE organization_sizes ENABLE ROW LEVEL SECURITY;
CREATE POLICY reader ON organization_sizes FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON organization_sizes TO portal_reader;
