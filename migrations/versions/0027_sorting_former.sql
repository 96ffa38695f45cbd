-- Undoes 0027_sorting.

DROP TRIGGER sizes_at_commit ON user_totals;

-- A new organization has no administrator yet. One that is removed has no numbers left.
CREATE OR REPLACE FUNCTION portal_keep_organization_totals() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO unadministered SELECT id FROM new_rows ON CONFLICT DO NOTHING;
    ELSE
        DELETE FROM daily_totals USING old_rows r WHERE organization_id = r.id;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_keep_organization_totals FROM PUBLIC;

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
END $$;
REVOKE ALL ON FUNCTION portal_recount_users FROM PUBLIC;

DROP FUNCTION portal_keep_sizes;
DROP TABLE organization_sizes;
