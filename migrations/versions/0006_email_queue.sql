-- The function that adds to the email queue. The queue itself is in 0006_email_queue_schema.sql.

-- The only way for tenants to add to the email queue. After a change of address, the job contains the id of the event
-- with the former address.
CREATE FUNCTION portal_send_later(kind text, user_id uuid) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, queue, public, pg_temp AS $$
SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(
    'emails', 'send', 0, NULL, NULL,
    jsonb_strip_nulls(jsonb_build_object('kind', kind, 'user_id', user_id,
        'event', CASE WHEN kind = 'email_changed' THEN (
            SELECT id FROM public.activity WHERE table_name = 'users' AND row_id = user_id AND changes ? 'email'
            ORDER BY id DESC LIMIT 1) END)),
    NULL)::procrastinate_job_to_defer_v1])
WHERE public.portal_reaches(user_id)
$$;
REVOKE ALL ON FUNCTION portal_send_later FROM PUBLIC;
GRANT EXECUTE ON FUNCTION portal_send_later TO portal_tenant;
