-- Policies and grants of rate_limits.

DROP POLICY IF EXISTS reader ON rate_limits;
REVOKE ALL ON rate_limits FROM portal_tenant, portal_reader;

CREATE POLICY reader ON rate_limits FOR SELECT TO portal_reader USING (true);
GRANT SELECT (free_at) ON rate_limits TO portal_reader;
