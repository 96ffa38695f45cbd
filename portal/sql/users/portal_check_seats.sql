-- Refuses people beyond the seats of their organization. Invited people take a seat, SUPER_ADMINs don't. The lock makes
-- others who add people to it wait, so that each sees whom the others added.
CREATE OR REPLACE FUNCTION portal_check_seats(place uuid) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    seats integer;
    title text;
BEGIN
    SELECT seat_limit, name INTO seats, title FROM organizations WHERE id = place AND seat_limit IS NOT NULL;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('seats ' || place, 0));
    IF seats < (SELECT sum(people) FROM user_totals
        WHERE organization_id = place AND status IN ('active', 'invited') AND role <> 'SUPER_ADMIN') THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', TABLE = 'users', CONSTRAINT = 'users_seats_rule',
            MESSAGE = format('%s has %s, and all are in use. Deactivate people, or ask your system administrator for '
                'more seats.', title, CASE seats WHEN 1 THEN '1 seat' ELSE seats || ' seats' END);
    END IF;
END $$;
REVOKE ALL ON FUNCTION portal_check_seats FROM PUBLIC;
