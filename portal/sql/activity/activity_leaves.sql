-- Triggers, policies and grants of activity_leaves.

CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON activity_leaves
FOR EACH STATEMENT EXECUTE FUNCTION portal_append_only();

DROP POLICY IF EXISTS reader ON activity_leaves;
REVOKE ALL ON activity_leaves FROM portal_tenant, portal_reader;

CREATE POLICY reader ON activity_leaves FOR SELECT TO portal_reader USING (true);
GRANT SELECT (position, seal_id, activity_id, leaf) ON activity_leaves TO portal_reader;
