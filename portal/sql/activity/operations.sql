-- Triggers, policies and grants of operations.

CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON operations
FOR EACH STATEMENT EXECUTE FUNCTION portal_append_only();
-- Later statements of the same transaction add to its row.
CREATE OR REPLACE TRIGGER committed_stays AFTER UPDATE ON operations FOR EACH ROW
WHEN (OLD.xid <> pg_current_xact_id() OR NEW.xid <> OLD.xid) EXECUTE FUNCTION portal_append_only();
DROP TRIGGER IF EXISTS count_at_commit ON operations;
CREATE CONSTRAINT TRIGGER count_at_commit AFTER UPDATE ON operations DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (OLD.statements < 500 AND NEW.statements = 500) EXECUTE FUNCTION portal_count_operation();

DROP POLICY IF EXISTS tenant ON operations;
DROP POLICY IF EXISTS reader ON operations;
REVOKE ALL ON operations FROM portal_tenant, portal_reader;

ALTER TABLE operations ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON operations TO portal_tenant USING (
    organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid)
);
GRANT SELECT ON operations TO portal_tenant;

CREATE POLICY reader ON operations FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    xid, key, id, organization_id, at, event_id, actor_id, actor_role, database_user, address, agent, request_id,
    action, table_name, row_id, row_version, changes, undoes, times, events, counts, actions, fields, row_ids, names,
    search_text, statements
) ON operations TO portal_reader;
