-- Policies and grants of user_totals, which only triggers of users change. Tenants can't see SUPER_ADMINs.

DROP POLICY IF EXISTS tenant ON user_totals;
DROP POLICY IF EXISTS reader ON user_totals;
REVOKE ALL ON user_totals FROM portal_tenant, portal_reader;

ALTER TABLE user_totals ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON user_totals TO portal_tenant
USING (
    organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid)
    AND role <> 'SUPER_ADMIN'
);
GRANT SELECT ON user_totals TO portal_tenant;

CREATE POLICY reader ON user_totals FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON user_totals TO portal_reader;
