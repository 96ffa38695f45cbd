-- Policies and grants of queue.procrastinate_periodic_defers.

DROP POLICY IF EXISTS reader ON queue.procrastinate_periodic_defers;
REVOKE ALL ON queue.procrastinate_periodic_defers FROM portal_tenant, portal_reader;

CREATE POLICY reader ON queue.procrastinate_periodic_defers FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    id, task_name, defer_timestamp, job_id, periodic_id
) ON queue.procrastinate_periodic_defers TO portal_reader;
