-- Policies and grants of letters.

DROP POLICY IF EXISTS reader ON letters;
REVOKE ALL ON letters FROM portal_tenant, portal_reader;

CREATE POLICY reader ON letters FOR SELECT TO portal_reader USING (true);
GRANT SELECT (id, recipient, subject, kept_at) ON letters TO portal_reader;
