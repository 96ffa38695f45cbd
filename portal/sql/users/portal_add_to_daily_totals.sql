-- Adds numbers to daily_totals, one per element of the arrays. As in portal_add_to_user_totals, a row that another
-- transaction is changing is skipped, and a second one is made, so nobody waits.
CREATE OR REPLACE FUNCTION portal_add_to_daily_totals(
    places uuid[], days date[], joined bigint[], departed bigint[], signed_in bigint[]
) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
BEGIN
    WITH one AS MATERIALIZED (
        SELECT place, on_day, plus, minus, visits, known.id
        FROM unnest(places, days, joined, departed, signed_in) AS given (place, on_day, plus, minus, visits)
        LEFT JOIN LATERAL (
            SELECT id FROM daily_totals t
            WHERE (t.organization_id = place OR place IS NULL AND t.organization_id IS NULL) AND t.day = on_day
            LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) known ON true),
    changed AS (
        UPDATE daily_totals t SET added = added + plus, removed = removed + minus, sign_ins = sign_ins + visits
        FROM one WHERE t.id = one.id)
    INSERT INTO daily_totals (organization_id, day, added, removed, sign_ins)
    SELECT place, on_day, plus, minus, visits FROM one WHERE id IS NULL;
END $$;
REVOKE ALL ON FUNCTION portal_add_to_daily_totals FROM PUBLIC;
