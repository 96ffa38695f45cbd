-- Triggers, policies and grants of activity_seals.

CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON activity_seals
FOR EACH STATEMENT EXECUTE FUNCTION portal_append_only();

DROP POLICY IF EXISTS reader ON activity_seals;
REVOKE ALL ON activity_seals FROM portal_tenant, portal_reader;

CREATE POLICY reader ON activity_seals FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    id, sealed_at, snapshot, xid, last_id, seen_at, first, last, kept_from, leaves, key_id, digest
) ON activity_seals TO portal_reader;
