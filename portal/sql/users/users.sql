-- Triggers, policies and grants of users.

-- Signing in and second factors change neither the version nor the history of a person's row.
CREATE OR REPLACE TRIGGER stamp BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION portal_stamp();
CREATE OR REPLACE TRIGGER stamp_change BEFORE UPDATE ON users FOR EACH ROW
WHEN (OLD.last_sign_in_at IS NOT DISTINCT FROM NEW.last_sign_in_at AND OLD.has_two_factor = NEW.has_two_factor)
EXECUTE FUNCTION portal_stamp();

CREATE OR REPLACE TRIGGER sort_name BEFORE INSERT OR UPDATE ON users FOR EACH ROW
EXECUTE FUNCTION portal_keep_users_sorted();

CREATE OR REPLACE TRIGGER totals_insert AFTER INSERT ON users REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_user_totals();
CREATE OR REPLACE TRIGGER totals_update AFTER UPDATE ON users REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_user_totals();
CREATE OR REPLACE TRIGGER totals_delete AFTER DELETE ON users REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_user_totals();

CREATE OR REPLACE TRIGGER days_insert AFTER INSERT ON users REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_daily_totals();
CREATE OR REPLACE TRIGGER days_update AFTER UPDATE ON users REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_daily_totals();
CREATE OR REPLACE TRIGGER days_delete AFTER DELETE ON users REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_daily_totals();

CREATE OR REPLACE TRIGGER users_links BEFORE UPDATE OF email, pending_email, password, role, organization_id ON users
FOR EACH ROW EXECUTE FUNCTION portal_kill_links();

CREATE OR REPLACE TRIGGER sessions_move AFTER UPDATE OF organization_id ON users FOR EACH ROW
WHEN (OLD.organization_id IS DISTINCT FROM NEW.organization_id) EXECUTE FUNCTION portal_move_sessions();

CREATE OR REPLACE TRIGGER addresses_insert AFTER INSERT ON users REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_check_addresses();
CREATE OR REPLACE TRIGGER addresses_change BEFORE UPDATE OF email, pending_email, organization_id ON users
FOR EACH ROW WHEN (NEW.organization_id IS NOT NULL AND (OLD.email <> NEW.email
    OR OLD.pending_email IS DISTINCT FROM NEW.pending_email AND NEW.pending_email IS NOT NULL
    OR OLD.organization_id IS DISTINCT FROM NEW.organization_id))
EXECUTE FUNCTION portal_check_addresses();

-- Creates the functions portal_history_of_users and portal_names_of_users, and the triggers history_*. Tenants can't
-- see SUPER_ADMINs.
SELECT portal_watch('users', $$CASE WHEN r.role <> 'SUPER_ADMIN' THEN r.organization_id END$$, '{password}',
    $$coalesce(nullif(btrim(concat_ws(' ', r.first_name, r.last_name)), ''), r.email)$$);

CREATE OR REPLACE TRIGGER key_stays BEFORE UPDATE ON users FOR EACH ROW WHEN (OLD.id <> NEW.id)
EXECUTE FUNCTION portal_key_stays();

CREATE OR REPLACE TRIGGER words_insert AFTER INSERT ON users REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_words();
CREATE OR REPLACE TRIGGER words_update AFTER UPDATE ON users REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_words();
CREATE OR REPLACE TRIGGER words_delete AFTER DELETE ON users REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_words();

DROP POLICY IF EXISTS tenant ON users;
DROP POLICY IF EXISTS reader ON users;
REVOKE ALL ON users FROM portal_tenant, portal_reader;

ALTER TABLE users ENABLE ROW LEVEL SECURITY;
-- CASE, because with OR, indexes couldn't be scanned in order.
CREATE POLICY tenant ON users TO portal_tenant
USING (
    CASE WHEN id = (SELECT nullif(current_setting('portal.actor_id', true), '')::uuid) THEN true
    ELSE organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid)
        AND role <> 'SUPER_ADMIN' END
)
WITH CHECK (
    role <> 'SUPER_ADMIN' AND (
        id = (SELECT nullif(current_setting('portal.actor_id', true), '')::uuid)
        OR organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid))
);
GRANT INSERT ON users TO portal_tenant;
GRANT SELECT (
    id, email, first_name, last_name, role, is_active, email_verified, organization_id, created_at, updated_at,
    deleted_at, created_by, updated_by, deleted_by, version, must_change_password, time_zone, pending_email,
    link_counter, invited_at, accepted_at, revoked_at, last_sign_in_at, has_two_factor, sort_name, search_text,
    activates_on, expires_on
) ON users TO portal_tenant;
GRANT UPDATE (
    email, password, first_name, last_name, role, is_active, email_verified, deleted_at, must_change_password,
    time_zone, pending_email, link_counter, invited_at, accepted_at, revoked_at, activates_on, expires_on
) ON users TO portal_tenant;

CREATE POLICY reader ON users FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    id, email, first_name, last_name, role, is_active, email_verified, organization_id, created_at, updated_at,
    deleted_at, created_by, updated_by, deleted_by, version, must_change_password, time_zone, pending_email,
    invited_at, accepted_at, revoked_at, last_sign_in_at, has_two_factor, sort_name, search_text, activates_on,
    expires_on
) ON users TO portal_reader;
