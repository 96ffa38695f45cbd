-- Keeps user_totals, for forms, bulk statements, COPY and psql alike. Each person counts twice: in their organization,
-- and among everybody, in rows without an organization. Organizations are locked as their foreign keys do it: that only
-- makes deleting and restoring one wait, see portal_move_user_totals. Plans made for one row also run for a million, so
-- organizations are looked up one by one. An organization whose people become more must have seats for them.
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
    IF TG_OP = 'INSERT' THEN
        PERFORM portal_check_seats(organization_id) FROM new_rows
        WHERE organization_id IS NOT NULL AND deleted_at IS NULL AND is_active AND role <> 'SUPER_ADMIN'
        GROUP BY organization_id;
    ELSIF TG_OP = 'UPDATE' THEN
        PERFORM portal_check_seats(organization_id)
        FROM (
            SELECT organization_id, 1 AS more FROM new_rows
            WHERE organization_id IS NOT NULL AND deleted_at IS NULL AND is_active AND role <> 'SUPER_ADMIN'
            UNION ALL
            SELECT organization_id, -1 FROM old_rows
            WHERE organization_id IS NOT NULL AND deleted_at IS NULL AND is_active AND role <> 'SUPER_ADMIN') seats
        GROUP BY organization_id HAVING sum(more) > 0;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_keep_user_totals FROM PUBLIC;
