-- Triggers, policies and grants of size_changes, which only triggers write. It is empty after each transaction.

DROP TRIGGER IF EXISTS sizes_at_commit ON size_changes;
CREATE CONSTRAINT TRIGGER sizes_at_commit AFTER INSERT ON size_changes
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION portal_keep_sizes();

DROP POLICY IF EXISTS reader ON size_changes;
REVOKE ALL ON size_changes FROM portal_tenant, portal_reader;

ALTER TABLE size_changes ENABLE ROW LEVEL SECURITY;
CREATE POLICY reader ON size_changes FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON size_changes TO portal_reader;
