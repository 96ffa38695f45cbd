-- The data browser: portal_reader can read everything except secrets. A function runs people's queries as this role.

GRANT USAGE ON SCHEMA public, queue TO portal_reader;

-- Runs a query of the data browser as portal_reader. Inside a function that runs as its owner, PostgreSQL prevents
-- changes of the role: neither RESET ROLE nor set_config works, not even in a nested statement. After a restore without
-- owners, it belongs to another role and refuses to run.
--
-- Values, rows and messages are truncated on the server to a length that can be shown. Error messages, too, because
-- they can quote a whole value.
GRANT CREATE ON SCHEMA public TO portal_reader;  -- required for owners of objects in the schema
SET ROLE portal_reader;
CREATE FUNCTION portal_query(statement text, most integer, room integer, longest integer) RETURNS SETOF text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    one record;
    cells text[];
    lines integer := 0;
    used integer := 0;
    message text;
    hint text;
BEGIN
    IF current_user <> 'portal_reader' OR current_setting('transaction_read_only') <> 'on' THEN
        RAISE EXCEPTION 'portal_query must belong to portal_reader, and run where nothing can be written'
            USING ERRCODE = 'insufficient_privilege';
    END IF;

    FOR one IN EXECUTE statement LOOP
        cells := ARRAY(SELECT left(value, longest) FROM json_each_text(row_to_json(one)) WITH ORDINALITY
            ORDER BY ordinality);
        lines := lines + 1;
        used := used + (SELECT sum(coalesce(octet_length(cell), 0) + 20) FROM unnest(cells) cell);
        RETURN NEXT cells;
        EXIT WHEN lines >= most OR used >= room;
    END LOOP;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = left(message, 1000), HINT = left(hint, 1000);
END $$;
REVOKE ALL ON FUNCTION portal_query FROM PUBLIC;
RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM portal_reader;

-- PUBLIC has this privilege in new databases. A login that doesn't own the database can't revoke it and gets a warning.
DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()); END $$;


-- Access for portal_reader

CREATE POLICY reader ON organizations FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    id, name, slug, created_at, updated_at, deleted_at, created_by, updated_by, deleted_by, version, sort_name,
    search_text
) ON organizations TO portal_reader;

CREATE POLICY reader ON users FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    id, email, first_name, last_name, role, is_active, email_verified, organization_id, created_at, updated_at,
    deleted_at, created_by, updated_by, deleted_by, version, must_change_password, time_zone, pending_email,
    invited_at, accepted_at, revoked_at, last_sign_in_at, has_two_factor, sort_name, search_text
) ON users TO portal_reader;

CREATE POLICY reader ON user_totals FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON user_totals TO portal_reader;

CREATE POLICY reader ON sessions FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    id, user_id, organization_id, is_kept, address, agent, idle, created_at, authenticated_at, used_at, expires_at,
    ends_at, ended_at, is_browser
) ON sessions TO portal_reader;

CREATE POLICY reader ON refresh_tokens FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    id, user_id, organization_id, expires_at, created_at, revoked_at, session_id
) ON refresh_tokens TO portal_reader;

CREATE POLICY reader ON api_tokens FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    id, user_id, organization_id, name, beginning, scopes, created_at, expires_at, used_at, revoked_at
) ON api_tokens TO portal_reader;

CREATE POLICY reader ON idempotency_keys FOR SELECT TO portal_reader USING (true);
GRANT SELECT (created_at) ON idempotency_keys TO portal_reader;

CREATE POLICY reader ON authenticators FOR SELECT TO portal_reader USING (true);
GRANT SELECT (user_id, last_step, created_at, used_at) ON authenticators TO portal_reader;

CREATE POLICY reader ON passkeys FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    id, user_id, name, credential_id, public_key, sign_count, created_at, used_at
) ON passkeys TO portal_reader;

CREATE POLICY reader ON recovery_codes FOR SELECT TO portal_reader USING (true);
GRANT SELECT (user_id) ON recovery_codes TO portal_reader;

CREATE POLICY reader ON rate_limits FOR SELECT TO portal_reader USING (true);
GRANT SELECT (free_at) ON rate_limits TO portal_reader;

CREATE POLICY reader ON outbox_emails FOR SELECT TO portal_reader USING (true);
GRANT SELECT (id, user_id, recipient, subject, kept_at) ON outbox_emails TO portal_reader;

CREATE POLICY reader ON activity FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    xid, id, at, key, operation_id, actor_id, actor_role, database_user, address, agent, request_id, organization_id,
    action, table_name, row_id, row_version, changes, undoes, times
) ON activity TO portal_reader;

CREATE POLICY reader ON operations FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    xid, key, id, organization_id, at, event_id, actor_id, actor_role, database_user, address, agent, request_id,
    action, table_name, row_id, row_version, changes, undoes, times, events, counts, actions, fields, row_ids, names,
    search_text, statements
) ON operations TO portal_reader;

CREATE POLICY reader ON activity_repeats FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    minute, action, actor_id, actor_role, address, agent, organization_id, table_name, row_id, times
) ON activity_repeats TO portal_reader;

CREATE POLICY reader ON activity_leaves FOR SELECT TO portal_reader USING (true);
GRANT SELECT (position, seal_id, activity_id, leaf) ON activity_leaves TO portal_reader;

CREATE POLICY reader ON activity_seals FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    id, sealed_at, snapshot, xid, last_id, seen_at, first, last, kept_from, leaves, key_id, digest
) ON activity_seals TO portal_reader;

CREATE POLICY reader ON alembic_version FOR SELECT TO portal_reader USING (true);
GRANT SELECT (version_num) ON alembic_version TO portal_reader;

CREATE POLICY reader ON queue.procrastinate_jobs FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    id, queue_name, task_name, priority, lock, queueing_lock, args, status, scheduled_at, attempts, abort_requested,
    worker_id
) ON queue.procrastinate_jobs TO portal_reader;

CREATE POLICY reader ON queue.procrastinate_events FOR SELECT TO portal_reader USING (true);
GRANT SELECT (id, job_id, type, at) ON queue.procrastinate_events TO portal_reader;

CREATE POLICY reader ON queue.procrastinate_periodic_defers FOR SELECT TO portal_reader USING (true);
GRANT SELECT (
    id, task_name, defer_timestamp, job_id, periodic_id
) ON queue.procrastinate_periodic_defers TO portal_reader;

CREATE POLICY reader ON queue.procrastinate_workers FOR SELECT TO portal_reader USING (true);
GRANT SELECT (id, last_heartbeat) ON queue.procrastinate_workers TO portal_reader;
