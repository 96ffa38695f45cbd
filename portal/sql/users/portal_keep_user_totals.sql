-- Keeps user_totals, for forms, bulk statements, COPY and psql alike. Each person counts twice: in their organization,
-- and among everybody, in rows without an organization.
CREATE OR REPLACE FUNCTION portal_keep_user_totals() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NOT EXISTS (
            SELECT organization_id, role, is_active, invited_at IS NULL, accepted_at IS NULL, deleted_at IS NULL,
                has_two_factor, email_verified FROM new_rows
            EXCEPT ALL
            SELECT organization_id, role, is_active, invited_at IS NULL, accepted_at IS NULL, deleted_at IS NULL,
                has_two_factor, email_verified FROM old_rows) THEN
            RETURN NULL;
        END IF;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        PERFORM portal_add_to_user_totals(organization_id, role, status, has_two_factor, email_verified, -count(*))
        FROM old_rows, portal_user_status(is_active, invited_at, accepted_at, deleted_at) AS status
        GROUP BY role, status, has_two_factor, email_verified, GROUPING SETS ((), (organization_id))
        HAVING organization_id IS NOT NULL OR grouping(organization_id) = 1;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM portal_add_to_user_totals(organization_id, role, status, has_two_factor, email_verified, count(*))
        FROM new_rows, portal_user_status(is_active, invited_at, accepted_at, deleted_at) AS status
        GROUP BY role, status, has_two_factor, email_verified, GROUPING SETS ((), (organization_id))
        HAVING organization_id IS NOT NULL OR grouping(organization_id) = 1;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_keep_user_totals FROM PUBLIC;
