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
        WHEN u.id IS NULL AND home.email_domains IS NOT NULL
            THEN 'Email: ' || portal_address_problem(home.id, r.key)
        END AS trouble,
        'first_name' = ANY (overwrites) AND r.first_name <> coalesce(u.first_name, '')
        OR 'last_name' = ANY (overwrites) AND r.last_name <> coalesce(u.last_name, '')
        OR 'role' = ANY (overwrites) AND r.role <> u.role
        OR 'is_active' = ANY (overwrites) AND r.is_active <> u.is_active
            AND (r.activates_on IS NULL OR 'activates_on' <> ALL (overwrites))
        OR 'activates_on' = ANY (overwrites) AND (r.activates_on <> coalesce(u.activates_on, '-infinity')
            OR r.activates_on IS NOT NULL AND u.is_active)
        OR 'expires_on' = ANY (overwrites) AND r.expires_on <> coalesce(u.expires_on, 'infinity') AS differs
    FROM import_rows r
    LEFT JOIN LATERAL (SELECT t.line FROM import_rows t WHERE t.import_id = r.import_id AND t.key = r.key
        AND t.number < r.number ORDER BY t.key, t.number LIMIT 1) twin ON true
    LEFT JOIN users u ON lower(u.email) = r.key AND u.deleted_at IS NULL
    LEFT JOIN organizations home ON home.id = r.home_id
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
