-- Jobs: long tasks that a worker carries out on behalf of a person.

CREATE TABLE jobs (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    organization_id uuid,
    owner_id uuid NOT NULL,
    kind text NOT NULL,
    title text NOT NULL,
    arguments jsonb NOT NULL DEFAULT '{}',
    state text NOT NULL DEFAULT 'waiting',
    total integer,
    done integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    result jsonb NOT NULL DEFAULT '{}',
    message text,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    ended_at timestamptz,
    is_announced boolean NOT NULL DEFAULT false,
    CONSTRAINT jobs_pkey PRIMARY KEY (id),
    CONSTRAINT jobs_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT jobs_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT jobs_state_check
    CHECK (state IN ('waiting', 'running', 'done', 'partly failed', 'failed', 'canceled'))
);
CREATE INDEX jobs_organization_id_idx ON jobs (organization_id, created_at DESC, id DESC);
CREATE INDEX jobs_created_at_idx ON jobs (created_at DESC, id DESC);
CREATE INDEX jobs_owner_id_idx ON jobs (owner_id);
-- Read with the session of each request.
CREATE INDEX jobs_unannounced_idx ON jobs (owner_id) WHERE NOT is_announced;

-- Queues the next batches of a job, unless they are queued already. The only way for tenants to do so.
CREATE FUNCTION portal_work_later(job_id uuid) RETURNS void LANGUAGE sql SECURITY DEFINER
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

ALTER TABLE jobs ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON jobs TO portal_tenant
USING (organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid));
GRANT SELECT, INSERT ON jobs TO portal_tenant;
GRANT UPDATE (state, total, done, failed, result, message, started_at, ended_at, is_announced) ON jobs TO portal_tenant;
CREATE POLICY reader ON jobs FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON jobs TO portal_reader;
