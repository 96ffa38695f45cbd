-- Policies and grants of queue.procrastinate_workers.

DROP POLICY IF EXISTS reader ON queue.procrastinate_workers;
REVOKE ALL ON queue.procrastinate_workers FROM portal_tenant, portal_reader;

CREATE POLICY reader ON queue.procrastinate_workers FOR SELECT TO portal_reader USING (true);
GRANT SELECT (id, last_heartbeat) ON queue.procrastinate_workers TO portal_reader;
