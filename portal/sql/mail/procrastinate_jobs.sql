-- Policies and grants of queue.procrastinate_jobs.

DROP POLICY IF EXISTS reader ON queue.procrastinate_jobs;
REVOKE ALL ON queue.procrastinate_jobs FROM portal_tenant, portal_reader;

CREATE POLICY reader ON queue.procrastinate_jobs FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    id, queue_name, task_name, priority, lock, queueing_lock, args, status, scheduled_at, attempts, abort_requested,
    worker_id
) ON queue.procrastinate_jobs TO portal_reader;
