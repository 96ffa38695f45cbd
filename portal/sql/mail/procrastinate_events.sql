-- Policies and grants of queue.procrastinate_events.

DROP POLICY IF EXISTS reader ON queue.procrastinate_events;
REVOKE ALL ON queue.procrastinate_events FROM portal_tenant, portal_reader;

CREATE POLICY reader ON queue.procrastinate_events FOR SELECT TO portal_reader USING (true);
GRANT SELECT (id, job_id, type, at) ON queue.procrastinate_events TO portal_reader;
