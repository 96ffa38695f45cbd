-- Queues the next batches of a job, unless they are queued already. The only way for tenants to do so.
CREATE OR REPLACE FUNCTION portal_work_later(job_id uuid) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, queue, public, pg_temp AS $$
SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(
    'jobs', 'work', 0, job_id::text, job_id::text, jsonb_build_object('job_id', job_id),
    NULL)::procrastinate_job_to_defer_v1])
FROM public.jobs
WHERE id = job_id
    AND (current_setting('role') <> 'portal_tenant'
        OR organization_id = nullif(current_setting('portal.organization_id', true), '')::uuid)
    AND NOT EXISTS (SELECT FROM procrastinate_jobs WHERE queueing_lock = job_id::text AND status = 'todo')
$$;
REVOKE ALL ON FUNCTION portal_work_later FROM PUBLIC;
GRANT EXECUTE ON FUNCTION portal_work_later TO portal_tenant;
