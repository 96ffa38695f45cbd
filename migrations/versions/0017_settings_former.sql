-- The functions as they were before organizations had settings.

-- Keeps user_totals, for forms, bulk statements, COPY and psql alike. Each person counts twice: in their organization,
-- and among everybody, in rows without an organization. Organizations are locked as their foreign keys do it: that only
-- makes deleting and restoring one wait, see portal_move_user_totals. Plans made for one row also run for a million, so
-- organizations are looked up one by one.
CREATE OR REPLACE FUNCTION portal_keep_user_totals() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NOT EXISTS (
            SELECT organization_id, role, is_active, invited_at IS NULL, accepted_at IS NULL, deleted_at IS NULL,
                has_two_factor FROM new_rows
            EXCEPT ALL
            SELECT organization_id, role, is_active, invited_at IS NULL, accepted_at IS NULL, deleted_at IS NULL,
                has_two_factor FROM old_rows) THEN
            RETURN NULL;
        END IF;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        PERFORM FROM organizations WHERE id = ANY (ARRAY(SELECT DISTINCT organization_id FROM old_rows)) FOR KEY SHARE;
        PERFORM portal_add_to_user_totals(
            r.organization_id, in_deleted, r.role, status, r.has_two_factor, -count(*))
        FROM old_rows r LEFT JOIN organizations o ON o.id = r.organization_id
            CROSS JOIN LATERAL (SELECT o.deleted_at IS NOT NULL) AS place(in_deleted)
            CROSS JOIN portal_user_status(r.is_active, r.invited_at, r.accepted_at, r.deleted_at) AS status
        GROUP BY in_deleted, r.role, status, r.has_two_factor, GROUPING SETS ((), (r.organization_id))
        HAVING r.organization_id IS NOT NULL OR grouping(r.organization_id) = 1;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM FROM organizations WHERE id = ANY (ARRAY(SELECT DISTINCT organization_id FROM new_rows)) FOR KEY SHARE;
        PERFORM portal_add_to_user_totals(
            r.organization_id, in_deleted, r.role, status, r.has_two_factor, count(*))
        FROM new_rows r LEFT JOIN organizations o ON o.id = r.organization_id
            CROSS JOIN LATERAL (SELECT o.deleted_at IS NOT NULL) AS place(in_deleted)
            CROSS JOIN portal_user_status(r.is_active, r.invited_at, r.accepted_at, r.deleted_at) AS status
        GROUP BY in_deleted, r.role, status, r.has_two_factor, GROUPING SETS ((), (r.organization_id))
        HAVING r.organization_id IS NOT NULL OR grouping(r.organization_id) = 1;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_keep_user_totals FROM PUBLIC;

-- Decides again what to do with some rows of an import that aren't refused yet, without writing people. Returns how
-- many addresses belong to people whom the caller can't see: imports/people_by_sql.py limits how many a caller can
-- find out. Runs as the owner. Looks everything up by index, because rows just written have no statistics yet.
CREATE OR REPLACE FUNCTION portal_check_import(
    checked uuid, first integer, last integer, overwrites text[], granted text[])
RETURNS integer LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
WITH found AS MATERIALIZED (
    SELECT r.number, r.verdict AS former, r.row_id AS new_id, u.id AS user_id, CASE
        WHEN twin.line IS NOT NULL THEN format('Email: the same address as on line %s.', twin.line)
        WHEN u.id IS NULL AND gone.id IS NOT NULL THEN 'Email: a deleted person has this address. Restore them instead.'
        WHEN u.id IS NOT NULL AND (u.organization_id IS DISTINCT FROM r.home_id
            OR current_setting('role') = 'portal_tenant' AND u.role = 'SUPER_ADMIN')
            THEN CASE WHEN current_setting('role') = 'portal_tenant' THEN
                'Email: this address can''t be used here. Ask your system administrator.'
                ELSE 'Email: a person in another organization has this address.' END
        WHEN r.role::text <> ALL (granted) AND (u.id IS NULL OR 'role' = ANY (overwrites))
            THEN 'Role: you can''t grant this role.'
        END AS trouble,
        'first_name' = ANY (overwrites) AND r.first_name <> coalesce(u.first_name, '')
        OR 'last_name' = ANY (overwrites) AND r.last_name <> coalesce(u.last_name, '')
        OR 'role' = ANY (overwrites) AND r.role <> u.role
        OR 'is_active' = ANY (overwrites) AND r.is_active <> u.is_active
        OR 'expires_on' = ANY (overwrites) AND r.expires_on <> coalesce(u.expires_on, 'infinity') AS differs
    FROM import_rows r
    LEFT JOIN LATERAL (SELECT t.line FROM import_rows t WHERE t.import_id = r.import_id AND t.key = r.key
        AND t.number < r.number ORDER BY t.key, t.number LIMIT 1) twin ON true
    LEFT JOIN users u ON lower(u.email) = r.key AND u.deleted_at IS NULL
    LEFT JOIN LATERAL (SELECT d.id FROM users d WHERE lower(d.email) = r.key AND d.deleted_at IS NOT NULL
        AND d.organization_id IS NOT DISTINCT FROM r.home_id LIMIT 1) gone ON u.id IS NULL
    WHERE r.import_id = checked AND r.number BETWEEN first AND last AND r.verdict <> 'refused'
        AND EXISTS (SELECT FROM imports i WHERE i.id = checked AND (current_setting('role') <> 'portal_tenant'
            OR i.organization_id = nullif(current_setting('portal.organization_id', true), '')::uuid))),
judged AS MATERIALIZED (
    SELECT number, trouble, CASE WHEN trouble IS NOT NULL THEN 'refused' WHEN user_id IS NULL THEN 'create'
            WHEN differs THEN 'update' ELSE 'unchanged' END AS verdict,
        CASE WHEN trouble IS NULL
            THEN coalesce(user_id, CASE former WHEN 'create' THEN new_id END, gen_random_uuid()) END AS row_id
    FROM found),
decided AS (
    UPDATE import_rows r SET reason = j.trouble, verdict = j.verdict, row_id = j.row_id
    FROM judged j WHERE r.import_id = checked AND r.number = j.number
        AND (r.reason, r.verdict, r.row_id) IS DISTINCT FROM (j.trouble, j.verdict, j.row_id))
SELECT count(*) FILTER (WHERE trouble = 'Email: this address can''t be used here. Ask your system administrator.')
FROM judged
$$;
REVOKE ALL ON FUNCTION portal_check_import FROM PUBLIC;
GRANT EXECUTE ON FUNCTION portal_check_import TO portal_tenant;

DROP TRIGGER addresses_insert ON users;
DROP TRIGGER addresses_change ON users;
DROP TRIGGER limits ON organizations;
DROP TRIGGER limits ON sessions;
DROP FUNCTION portal_check_addresses, portal_address_problem, portal_check_seats, portal_limit_session,
    portal_limit_sessions;
ALTER TABLE organizations DROP COLUMN inviters, DROP COLUMN email_domains, DROP COLUMN two_factor_for,
DROP COLUMN session_hours, DROP COLUMN idle_minutes, DROP COLUMN password_minimum, DROP COLUMN seat_limit;
SELECT portal_watch('organizations', 'r.id');
