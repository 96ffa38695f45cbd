-- Triggers, policies and grants of activity.

CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON activity
FOR EACH STATEMENT EXECUTE FUNCTION portal_append_only();
CREATE OR REPLACE TRIGGER write_operations AFTER INSERT ON activity REFERENCING NEW TABLE AS events
FOR EACH STATEMENT EXECUTE FUNCTION portal_write_operations();

DROP POLICY IF EXISTS tenant ON activity;
DROP POLICY IF EXISTS reader ON activity;
REVOKE ALL ON activity FROM portal_tenant, portal_reader;

ALTER TABLE activity ENABLE ROW LEVEL SECURITY;
-- Events of the actor's organization, events about the actor, and what the actor did to private views.
CREATE POLICY tenant ON activity TO portal_tenant USING (
    organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid)
    OR (table_name = 'users' AND row_id = (SELECT nullif(current_setting('portal.actor_id', true), '')::uuid))
    OR (table_name = 'saved_views' AND organization_id IS NULL
        AND actor_id = (SELECT nullif(current_setting('portal.actor_id', true), '')::uuid))
);
GRANT SELECT ON activity TO portal_tenant;

CREATE POLICY reader ON activity FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    xid, id, at, key, operation_id, actor_id, actor_role, database_user, address, agent, request_id, organization_id,
    action, table_name, row_id, row_version, changes, undoes, times
) ON activity TO portal_reader;
