-- Policies and grants of follows. The portal reads and writes it as the system, with the person's id.

DROP POLICY IF EXISTS reader ON follows;
REVOKE ALL ON follows FROM portal_tenant, portal_reader;

CREATE POLICY reader ON follows FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON follows TO portal_reader;
