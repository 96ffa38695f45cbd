-- Policies and grants of unadministered, which only triggers of users and organizations change. Tenants can't see it.

DROP POLICY IF EXISTS reader ON unadministered;
REVOKE ALL ON unadministered FROM portal_tenant, portal_reader;

ALTER TABLE unadministered ENABLE ROW LEVEL SECURITY;
CREATE POLICY reader ON unadministered FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON unadministered TO portal_reader;
