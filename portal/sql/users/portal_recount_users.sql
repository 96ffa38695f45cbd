-- Counts everybody again, for `flask users recount`: people written while triggers were off are missing in the totals.
CREATE OR REPLACE FUNCTION portal_recount_users() RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM user_totals;
    INSERT INTO user_totals (organization_id, role, status, has_two_factor, email_verified, people)
    SELECT organization_id, role, status, has_two_factor, email_verified, count(*)
    FROM users, portal_user_status(is_active, invited_at, accepted_at, deleted_at) AS status
    GROUP BY role, status, has_two_factor, email_verified, GROUPING SETS ((), (organization_id))
    HAVING organization_id IS NOT NULL OR grouping(organization_id) = 1;
END $$;
REVOKE ALL ON FUNCTION portal_recount_users FROM PUBLIC;
