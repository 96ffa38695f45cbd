-- Triggers, policies and grants of organizations.

CREATE OR REPLACE TRIGGER stamp BEFORE INSERT OR UPDATE ON organizations FOR EACH ROW
EXECUTE FUNCTION portal_stamp();

CREATE OR REPLACE TRIGGER sort_name BEFORE INSERT OR UPDATE ON organizations FOR EACH ROW
EXECUTE FUNCTION portal_keep_sorted();

CREATE OR REPLACE TRIGGER totals_move BEFORE UPDATE ON organizations FOR EACH ROW
WHEN ((OLD.deleted_at IS NULL) <> (NEW.deleted_at IS NULL)) EXECUTE FUNCTION portal_move_user_totals();
CREATE OR REPLACE TRIGGER totals_end BEFORE DELETE ON organizations FOR EACH ROW WHEN (OLD.deleted_at IS NOT NULL)
EXECUTE FUNCTION portal_move_user_totals();

CREATE OR REPLACE TRIGGER days_insert AFTER INSERT ON organizations REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_organization_totals();
CREATE OR REPLACE TRIGGER days_delete AFTER DELETE ON organizations REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_organization_totals();

CREATE OR REPLACE TRIGGER limits AFTER UPDATE OF session_hours, idle_minutes ON organizations
FOR EACH ROW EXECUTE FUNCTION portal_limit_sessions();

-- Creates the functions portal_history_of_organizations and portal_names_of_organizations, and the triggers history_*.
SELECT portal_watch('organizations', 'r.id');

CREATE OR REPLACE TRIGGER key_stays BEFORE UPDATE ON organizations FOR EACH ROW WHEN (OLD.id <> NEW.id)
EXECUTE FUNCTION portal_key_stays();

CREATE OR REPLACE TRIGGER words_insert AFTER INSERT ON organizations REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_words();
CREATE OR REPLACE TRIGGER words_update AFTER UPDATE ON organizations
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_words();
CREATE OR REPLACE TRIGGER words_delete AFTER DELETE ON organizations REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_words();

DROP POLICY IF EXISTS tenant ON organizations;
DROP POLICY IF EXISTS reader ON organizations;
REVOKE ALL ON organizations FROM portal_tenant, portal_reader;

ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON organizations TO portal_tenant
USING (id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid));
GRANT SELECT ON organizations TO portal_tenant;
GRANT UPDATE (
    name, inviters, email_domains, two_factor_for, session_hours, idle_minutes, password_minimum,
    inactive_days, warning_days
) ON organizations TO portal_tenant;

CREATE POLICY reader ON organizations FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    id, name, slug, created_at, updated_at, deleted_at, created_by, updated_by, deleted_by, version, sort_name,
    search_text, inviters, email_domains, two_factor_for, session_hours, idle_minutes, password_minimum, seat_limit,
    inactive_days, warning_days
) ON organizations TO portal_reader;
