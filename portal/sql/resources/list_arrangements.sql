-- Policies and grants of list_arrangements. The portal reads and writes it as the system, with the person's id.

DROP POLICY IF EXISTS reader ON list_arrangements;
REVOKE ALL ON list_arrangements FROM portal_tenant, portal_reader;

CREATE POLICY reader ON list_arrangements FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON list_arrangements TO portal_reader;
