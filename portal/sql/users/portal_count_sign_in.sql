-- Counts a sign-in in daily_totals: among all, and in the organization that may see it.
CREATE OR REPLACE FUNCTION portal_count_sign_in(place uuid) RETURNS void LANGUAGE sql
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT portal_add_to_daily_totals(array_agg(one), array_agg(portal_total_day(now())), array_agg(0::bigint),
        array_agg(0::bigint), array_agg(1::bigint))
    FROM (SELECT place AS one WHERE place IS NOT NULL UNION ALL SELECT NULL) places
$$;
REVOKE ALL ON FUNCTION portal_count_sign_in FROM PUBLIC;
