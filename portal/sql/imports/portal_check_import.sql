-- Decides what becomes of some rows of an import, without writing people. It runs as the owner, because an address may
-- be in use where the caller can't see it: portal/imports/checking.py limits how many of these the caller learns of.
-- Everything is looked up by index, because there are no statistics on the rows of a file that was just read.
CREATE OR REPLACE FUNCTION portal_check_import(checked uuid, first integer, last integer, is_updating boolean)
RETURNS integer LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
WITH judged AS MATERIALIZED (
    SELECT r.number, u.id AS person_id, CASE
        WHEN r.fault IS NOT NULL THEN r.fault
        WHEN twin.line IS NOT NULL THEN format('Email: the same address as in line %s.', twin.line)
        WHEN u.id IS NULL AND gone.id IS NOT NULL THEN 'Email: a deleted person has this address. Restore them instead.'
        WHEN u.id IS NOT NULL AND (u.organization_id IS DISTINCT FROM r.home_id
            OR current_setting('role') = 'portal_tenant' AND u.role = 'SUPER_ADMIN')
            THEN CASE WHEN current_setting('role') = 'portal_tenant' THEN
                'Email: this address can''t be used here. Ask your system administrator.'
                ELSE 'Email: a person of another organization has this address.' END
        END AS trouble,
        (coalesce(r.first_name, u.first_name), coalesce(r.last_name, u.last_name))
            IS DISTINCT FROM (u.first_name, u.last_name) AS differs
    FROM import_rows r
    CROSS JOIN LATERAL (SELECT min(t.number + 0) AS number FROM import_rows t WHERE t.import_id = r.import_id
        AND t.email = r.email AND t.number + 0 < r.number AND t.fault IS NULL) earliest
    LEFT JOIN import_rows twin ON twin.import_id = r.import_id AND twin.number = earliest.number
    LEFT JOIN users u ON lower(u.email) = r.email AND u.deleted_at IS NULL
    LEFT JOIN LATERAL (SELECT d.id FROM users d WHERE lower(d.email) = r.email AND d.deleted_at IS NOT NULL
        AND d.organization_id IS NOT DISTINCT FROM r.home_id LIMIT 1) gone ON u.id IS NULL
    WHERE r.import_id = checked AND r.number BETWEEN first AND last
        AND EXISTS (SELECT FROM imports i WHERE i.id = checked AND (current_setting('role') <> 'portal_tenant'
            OR i.organization_id = nullif(current_setting('portal.organization_id', true), '')::uuid))),
decided AS (
    UPDATE import_rows r SET reason = j.trouble, person_id = CASE WHEN j.trouble IS NULL THEN j.person_id END,
        verdict = CASE WHEN j.trouble IS NOT NULL THEN 'refused' WHEN j.person_id IS NULL THEN 'create'
            WHEN is_updating AND j.differs THEN 'update' ELSE 'unchanged' END
    FROM judged j WHERE r.import_id = checked AND r.number = j.number
    RETURNING r.reason)
SELECT count(*) FILTER (WHERE reason = 'Email: this address can''t be used here. Ask your system administrator.')
FROM decided
$$;
REVOKE ALL ON FUNCTION portal_check_import FROM PUBLIC;
GRANT EXECUTE ON FUNCTION portal_check_import TO portal_tenant;
