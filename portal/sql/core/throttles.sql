-- Policies and grants of throttles.

DROP POLICY IF EXISTS reader ON throttles;
REVOKE ALL ON throttles FROM portal_tenant, portal_reader;

CREATE POLICY reader ON throttles FOR SELECT TO portal_reader USING (true);
GRANT SELECT (free_at) ON throttles TO portal_reader;
