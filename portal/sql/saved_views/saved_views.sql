-- Triggers, policies and grants of saved_views.

CREATE OR REPLACE TRIGGER stamp BEFORE INSERT OR UPDATE ON saved_views FOR EACH ROW EXECUTE FUNCTION portal_stamp();
CREATE OR REPLACE TRIGGER sort_name BEFORE INSERT OR UPDATE ON saved_views
FOR EACH ROW EXECUTE FUNCTION portal_keep_sorted();
-- Writes the functions portal_history_of_saved_views and portal_names_of_saved_views, and the triggers history_*.
-- Events of private views belong to no organization: only their owner sees them (see the policy of activity).
SELECT portal_watch('saved_views', 'CASE WHEN r.owner_id IS NULL THEN r.organization_id END');
CREATE OR REPLACE TRIGGER key_stays BEFORE UPDATE ON saved_views FOR EACH ROW
WHEN (OLD.id <> NEW.id OR OLD.organization_id IS DISTINCT FROM NEW.organization_id)
EXECUTE FUNCTION portal_key_stays();

DROP POLICY IF EXISTS tenant ON saved_views;
DROP POLICY IF EXISTS reader ON saved_views;
REVOKE ALL ON saved_views FROM portal_tenant, portal_reader;
ALTER TABLE saved_views ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON saved_views TO portal_tenant USING (
    organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid)
    AND (owner_id IS NULL OR owner_id = (SELECT nullif(current_setting('portal.actor_id', true), '')::uuid))
);
GRANT SELECT, INSERT, UPDATE (name, query, sharing, owner_id, deleted_at) ON saved_views TO portal_tenant;
CREATE POLICY reader ON saved_views FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON saved_views TO portal_reader;
