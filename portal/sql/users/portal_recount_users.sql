-- Counts everybody again, for `flask users recount`: people written while triggers were off are missing in the totals
-- and sizes.
CREATE OR REPLACE FUNCTION portal_recount_users() RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    LOCK TABLE organizations, users, teams, team_members IN SHARE ROW EXCLUSIVE MODE;
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
    UPDATE team_members m SET active_role = u.active_role
    FROM (SELECT id, CASE portal_user_status(is_active, invited_at, accepted_at, deleted_at) WHEN 'active' THEN role END
            AS active_role FROM users) u
    WHERE u.id = m.user_id AND m.active_role IS DISTINCT FROM u.active_role;
    UPDATE team_sizes s SET people = t.people, seen = t.seen
    FROM (SELECT o.team_id, count(active_role) AS people,
            count(active_role) FILTER (WHERE active_role <> 'SUPER_ADMIN') AS seen
        FROM team_sizes o LEFT JOIN team_members m ON m.team_id = o.team_id
        GROUP BY o.team_id) t
    WHERE s.team_id = t.team_id AND (s.people, s.seen) <> (t.people, t.seen);
END $$;
REVOKE ALL ON FUNCTION portal_recount_users FROM PUBLIC;
