-- Adds a number of people to their total. A row that another transaction is changing is skipped, and a second row of
-- the same total is changed or made instead: nobody waits, and a total has at most as many rows as there were writers.
-- How many people an organization has changes at the commit.
CREATE OR REPLACE FUNCTION portal_add_to_user_totals(
    place uuid, in_deleted boolean, kind "Role", state text, two_factor boolean, number bigint
) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    UPDATE user_totals SET people = people + number WHERE id = (
        SELECT id FROM user_totals t
        WHERE (organization_id = place OR place IS NULL AND organization_id IS NULL)
            AND in_deleted_organization = in_deleted AND role = kind AND status = state AND has_two_factor = two_factor
        LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED);
    IF NOT FOUND THEN
        INSERT INTO user_totals (organization_id, in_deleted_organization, role, status, has_two_factor, people)
        VALUES (place, in_deleted, kind, state, two_factor, number);
    END IF;
    IF place IS NOT NULL AND state = 'active' THEN
        INSERT INTO size_changes (transaction_id, is_team, key, people, part) VALUES (
            pg_current_xact_id()::text::bigint, false, place, number, CASE WHEN two_factor THEN number ELSE 0 END);
    END IF;
END $$;
REVOKE ALL ON FUNCTION portal_add_to_user_totals FROM PUBLIC;
