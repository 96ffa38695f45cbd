-- Counts everybody again, for `flask users recount`: people written while triggers were off are missing in the totals.
CREATE OR REPLACE FUNCTION portal_recount_users() RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    LOCK TABLE organizations, users IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM user_totals;
    INSERT INTO user_totals (organization_id, in_deleted_organization, role, status, has_two_factor, people)
    SELECT r.organization_id, in_deleted, r.role, status, r.has_two_factor, count(*)
    FROM users r LEFT JOIN organizations o ON o.id = r.organization_id
        CROSS JOIN LATERAL (SELECT o.deleted_at IS NOT NULL) AS place(in_deleted)
        CROSS JOIN portal_user_status(r.is_active, r.invited_at, r.accepted_at, r.deleted_at) AS status
    GROUP BY in_deleted, r.role, status, r.has_two_factor, GROUPING SETS ((), (r.organization_id))
    HAVING r.organization_id IS NOT NULL OR grouping(r.organization_id) = 1
    ORDER BY organization_id;  -- the totals of an organization share a page
    SET CONSTRAINTS sizes_at_commit IMMEDIATE;
    UPDATE organization_sizes s SET people = t.people, protected = t.protected
    FROM (SELECT o.id, coalesce(sum(t.people), 0) AS people,
            coalesce(sum(t.people) FILTER (WHERE has_two_factor), 0) AS protected
        FROM organizations o LEFT JOIN user_totals t ON t.organization_id = o.id AND t.status = 'active'
        GROUP BY o.id) t
    WHERE s.organization_id = t.id AND (s.people, s.protected) <> (t.people, t.protected);
END $$;
REVOKE ALL ON FUNCTION portal_recount_users FROM PUBLIC;
