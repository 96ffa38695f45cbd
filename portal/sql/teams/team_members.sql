-- Triggers, policies and grants of team_members. People who move to another organization leave their teams. Only
-- triggers write `active_role`: the member's role if they can sign in to their organization, unless that is deleted.

CREATE OR REPLACE TRIGGER check_links AFTER INSERT ON team_members REFERENCING NEW TABLE AS links FOR EACH STATEMENT
EXECUTE FUNCTION portal_check_links('teams', 'team_id', 'users', 'user_id');
CREATE OR REPLACE TRIGGER history_insert AFTER INSERT ON team_members REFERENCING NEW TABLE AS links FOR EACH STATEMENT
EXECUTE FUNCTION portal_record_links('member', 'teams', 'team_id', 'users', 'user_id');
CREATE OR REPLACE TRIGGER history_delete AFTER DELETE ON team_members REFERENCING OLD TABLE AS links FOR EACH STATEMENT
EXECUTE FUNCTION portal_record_links('member', 'teams', 'team_id', 'users', 'user_id');
CREATE OR REPLACE TRIGGER history_truncate BEFORE TRUNCATE ON team_members FOR EACH STATEMENT
EXECUTE FUNCTION portal_refuse_truncate();
CREATE OR REPLACE TRIGGER key_stays BEFORE UPDATE OF team_id, user_id, organization_id ON team_members FOR EACH ROW
EXECUTE FUNCTION portal_key_stays();
CREATE OR REPLACE TRIGGER sizes_insert AFTER INSERT ON team_members REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_team_sizes();
CREATE OR REPLACE TRIGGER sizes_update AFTER UPDATE ON team_members
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_team_sizes();
CREATE OR REPLACE TRIGGER sizes_delete AFTER DELETE ON team_members REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_team_sizes();
CREATE OR REPLACE TRIGGER team_members BEFORE UPDATE ON users FOR EACH ROW
WHEN (OLD.organization_id IS DISTINCT FROM NEW.organization_id)
EXECUTE FUNCTION portal_end_links('team_members', 'user_id');

DROP POLICY IF EXISTS tenant ON team_members;
DROP POLICY IF EXISTS reader ON team_members;
REVOKE ALL ON team_members FROM portal_tenant, portal_reader;
ALTER TABLE team_members ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON team_members TO portal_tenant
USING (organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid));
GRANT DELETE ON team_members TO portal_tenant;
GRANT SELECT (team_id, user_id, organization_id, created_at) ON team_members TO portal_tenant;
GRANT INSERT (team_id, user_id, organization_id, created_at) ON team_members TO portal_tenant;
CREATE POLICY reader ON team_members FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON team_members TO portal_reader;
