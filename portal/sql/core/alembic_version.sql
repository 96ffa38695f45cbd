-- Policies and grants of alembic_version.

DROP POLICY IF EXISTS reader ON alembic_version;
REVOKE ALL ON alembic_version FROM portal_tenant, portal_reader;

CREATE POLICY reader ON alembic_version FOR SELECT TO portal_reader USING (true);
GRANT SELECT (version_num) ON alembic_version TO portal_reader;
