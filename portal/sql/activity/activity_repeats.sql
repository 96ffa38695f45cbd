-- Policies and grants of activity_repeats.

DROP POLICY IF EXISTS reader ON activity_repeats;
REVOKE ALL ON activity_repeats FROM portal_tenant, portal_reader;

CREATE POLICY reader ON activity_repeats FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    minute, action, actor_id, actor_role, address, agent, organization_id, table_name, row_id, times
) ON activity_repeats TO portal_reader;
