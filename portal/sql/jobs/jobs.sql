-- Policies and grants of jobs. What a job is to do never changes, only how far it is.

DROP POLICY IF EXISTS tenant ON jobs;
DROP POLICY IF EXISTS reader ON jobs;
REVOKE ALL ON jobs FROM portal_tenant, portal_reader;
ALTER TABLE jobs ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON jobs TO portal_tenant
USING (organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid));
GRANT SELECT, INSERT ON jobs TO portal_tenant;
GRANT UPDATE (state, total, done, failed, result, message, started_at, ended_at, is_announced) ON jobs TO portal_tenant;
CREATE POLICY reader ON jobs FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON jobs TO portal_reader;
