-- Policies and grants of daily_totals, which only triggers of users, and sign-ins, change.

DROP POLICY IF EXISTS tenant ON daily_totals;
DROP POLICY IF EXISTS reader ON daily_totals;
REVOKE ALL ON daily_totals FROM portal_tenant, portal_reader;

ALTER TABLE daily_totals ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON daily_totals TO portal_tenant
USING (organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid));
GRANT SELECT ON daily_totals TO portal_tenant;

CREATE POLICY reader ON daily_totals FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON daily_totals TO portal_reader;
