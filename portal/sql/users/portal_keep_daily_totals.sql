-- Keeps daily_totals and unadministered, for forms, bulk statements, COPY and psql alike. New people count on the day
-- of their created_at, all others who come or go on the current day. Organizations don't count SUPER_ADMINs, because
-- their people can't see them.
CREATE OR REPLACE FUNCTION portal_keep_daily_totals() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_nestloop = off SET enable_mergejoin = off AS $$
DECLARE
    places uuid[];
    days date[];
    joined bigint[];
    departed bigint[];
    administered uuid[];
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NOT EXISTS (
            SELECT organization_id, role, is_active, invited_at IS NULL OR accepted_at IS NOT NULL, deleted_at IS NULL
            FROM new_rows
            EXCEPT ALL
            SELECT organization_id, role, is_active, invited_at IS NULL OR accepted_at IS NOT NULL, deleted_at IS NULL
            FROM old_rows) THEN
            RETURN NULL;
        END IF;
        WITH moved AS (
            SELECT was, place, o.deleted_at IS NULL AS was_there, r.deleted_at IS NULL AS is_there
            FROM old_rows o JOIN new_rows r USING (id)
                CROSS JOIN LATERAL (SELECT CASE WHEN o.role <> 'SUPER_ADMIN' THEN o.organization_id END,
                    CASE WHEN r.role <> 'SUPER_ADMIN' THEN r.organization_id END) AS at (was, place)
            WHERE was IS DISTINCT FROM place OR (o.deleted_at IS NULL) <> (r.deleted_at IS NULL)),
        one AS (
            SELECT place, 1 AS plus, 0 AS minus FROM moved
            WHERE place IS NOT NULL AND is_there AND NOT (was_there AND was IS NOT DISTINCT FROM place)
            UNION ALL
            SELECT was, 0, 1 FROM moved
            WHERE was IS NOT NULL AND was_there AND NOT (is_there AND was IS NOT DISTINCT FROM place)
            UNION ALL
            SELECT NULL, is_there::int, was_there::int FROM moved WHERE was_there <> is_there)
        SELECT array_agg(place), array_agg(portal_total_day(now())), array_agg(plus), array_agg(minus)
        INTO places, days, joined, departed
        FROM (SELECT place, sum(plus) AS plus, sum(minus) AS minus FROM one GROUP BY place) sums;
        administered := ARRAY(
            SELECT DISTINCT organization_id FROM (
                SELECT coalesce(o.organization_id, r.organization_id) AS organization_id
                FROM (SELECT id, organization_id FROM old_rows WHERE role = 'ADMIN' AND is_active
                        AND deleted_at IS NULL AND (invited_at IS NULL OR accepted_at IS NOT NULL)) o
                    FULL JOIN (SELECT id, organization_id FROM new_rows WHERE role = 'ADMIN' AND is_active
                        AND deleted_at IS NULL AND (invited_at IS NULL OR accepted_at IS NOT NULL)) r
                    USING (id, organization_id)
                WHERE o.id IS NULL OR r.id IS NULL) touched
            WHERE organization_id IS NOT NULL);
    ELSIF TG_OP = 'INSERT' THEN
        WITH one AS (
            SELECT CASE WHEN role <> 'SUPER_ADMIN' THEN organization_id END AS place,
                portal_total_day(created_at) AS on_day, 1 AS plus, 0 AS minus
            FROM new_rows
            UNION ALL
            SELECT CASE WHEN role <> 'SUPER_ADMIN' THEN organization_id END, portal_total_day(deleted_at), 0, 1
            FROM new_rows WHERE deleted_at IS NOT NULL)
        SELECT array_agg(place), array_agg(on_day), array_agg(plus), array_agg(minus)
        INTO places, days, joined, departed
        FROM (SELECT place, on_day, sum(plus) AS plus, sum(minus) AS minus FROM one
            GROUP BY on_day, GROUPING SETS ((), (place)) HAVING place IS NOT NULL OR grouping(place) = 1) sums;
        administered := ARRAY(SELECT DISTINCT organization_id FROM new_rows WHERE role = 'ADMIN' AND is_active
            AND deleted_at IS NULL AND (invited_at IS NULL OR accepted_at IS NOT NULL) AND organization_id IS NOT NULL);
    ELSE
        SELECT array_agg(place), array_agg(portal_total_day(now())), array_agg(0), array_agg(minus)
        INTO places, days, joined, departed
        FROM (SELECT place, count(*) AS minus
            FROM (SELECT CASE WHEN role <> 'SUPER_ADMIN' THEN organization_id END AS place FROM old_rows
                WHERE deleted_at IS NULL) one
            GROUP BY GROUPING SETS ((), (place))
            HAVING count(*) > 0 AND (place IS NOT NULL OR grouping(place) = 1)) sums;
        administered := ARRAY(SELECT DISTINCT organization_id FROM old_rows WHERE role = 'ADMIN' AND is_active
            AND deleted_at IS NULL AND (invited_at IS NULL OR accepted_at IS NOT NULL) AND organization_id IS NOT NULL);
    END IF;
    IF places IS NOT NULL THEN
        PERFORM portal_add_to_daily_totals(
            places, days, joined, departed, array_fill(0::bigint, ARRAY[cardinality(places)]));
    END IF;
    IF administered <> '{}' THEN
        PERFORM portal_keep_administered(administered);
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_keep_daily_totals FROM PUBLIC;
