-- Triggers, policies and grants of teams.

CREATE OR REPLACE TRIGGER stamp BEFORE INSERT OR UPDATE ON teams FOR EACH ROW EXECUTE FUNCTION portal_stamp();
CREATE OR REPLACE TRIGGER sort_name BEFORE INSERT OR UPDATE ON teams FOR EACH ROW EXECUTE FUNCTION portal_keep_sorted();
-- Writes the functions portal_history_of_teams and portal_names_of_teams, and the triggers history_*.
SELECT portal_watch('teams', 'r.organization_id');
CREATE OR REPLACE TRIGGER key_stays BEFORE UPDATE ON teams FOR EACH ROW
WHEN (OLD.id <> NEW.id OR OLD.organization_id <> NEW.organization_id) EXECUTE FUNCTION portal_key_stays();

CREATE OR REPLACE TRIGGER sizes_insert AFTER INSERT ON teams REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_team_sizes();

CREATE OR REPLACE TRIGGER words_insert AFTER INSERT ON teams REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_words();
CREATE OR REPLACE TRIGGER words_update AFTER UPDATE ON teams REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_words();
CREATE OR REPLACE TRIGGER words_delete AFTER DELETE ON teams REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_words();

DROP POLICY IF EXISTS tenant ON teams;
DROP POLICY IF EXISTS reader ON teams;
REVOKE ALL ON teams FROM portal_tenant, portal_reader;
ALTER TABLE teams ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON teams TO portal_tenant
USING (organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid));
GRANT SELECT, INSERT, UPDATE (name, description, deleted_at) ON teams TO portal_tenant;
CREATE POLICY reader ON teams FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON teams TO portal_reader;
