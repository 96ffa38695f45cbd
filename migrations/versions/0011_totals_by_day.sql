-- Numbers of people and sign-ins by day, and the organizations without an administrator.

CREATE TABLE daily_totals (
    id bigint GENERATED ALWAYS AS IDENTITY,
    organization_id uuid,
    day date NOT NULL,
    added bigint NOT NULL,
    removed bigint NOT NULL,
    sign_ins bigint NOT NULL,
    CONSTRAINT daily_totals_pkey PRIMARY KEY (id)
);
CREATE INDEX daily_totals_organization_id_idx ON daily_totals (organization_id, day);

CREATE TABLE unadministered (
    organization_id uuid NOT NULL,
    CONSTRAINT unadministered_pkey PRIMARY KEY (organization_id),
    CONSTRAINT unadministered_organization_id_fkey
    FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE
);

-- The day under which daily_totals counts a time: its day in UTC, or for times more than 40 days ago, the first of its
-- month, so that old rows are few.
CREATE FUNCTION portal_total_day(at timestamptz) RETURNS date LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN at > now() - interval '40 days' THEN least(at, now()) AT TIME ZONE 'UTC'
        ELSE date_trunc('month', at AT TIME ZONE 'UTC') END::date
$$;

-- Adds numbers to daily_totals, one per element of the arrays. As in portal_add_to_user_totals, a row that another
-- transaction is changing is skipped, and a second one is made, so nobody waits.
CREATE FUNCTION portal_add_to_daily_totals(
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

-- Counts a sign-in in daily_totals: among all, and in the organization that may see it.
CREATE FUNCTION portal_count_sign_in(place uuid) RETURNS void LANGUAGE sql
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT portal_add_to_daily_totals(array_agg(one), array_agg(portal_total_day(now())), array_agg(0::bigint),
        array_agg(0::bigint), array_agg(1::bigint))
    FROM (SELECT place AS one WHERE place IS NOT NULL UNION ALL SELECT NULL) places
$$;
REVOKE ALL ON FUNCTION portal_count_sign_in FROM PUBLIC;

-- Keeps unadministered for these organizations. Locking them makes others that change their administrators wait,
-- because two could each see the administrator whom the other removes.
CREATE FUNCTION portal_keep_administered(places uuid[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    PERFORM FROM organizations WHERE id = ANY (places) ORDER BY id FOR NO KEY UPDATE;
    WITH known AS MATERIALIZED (
        SELECT o.id, EXISTS (SELECT FROM users u WHERE u.organization_id = o.id AND u.role = 'ADMIN' AND u.is_active
            AND u.deleted_at IS NULL AND (u.invited_at IS NULL OR u.accepted_at IS NOT NULL)) AS is_administered
        FROM organizations o WHERE o.id = ANY (places)),
    gone AS (DELETE FROM unadministered USING known WHERE organization_id = known.id AND is_administered)
    INSERT INTO unadministered SELECT id FROM known WHERE NOT is_administered ON CONFLICT DO NOTHING;
END $$;
REVOKE ALL ON FUNCTION portal_keep_administered FROM PUBLIC;

-- A new organization has no administrator yet. One that is removed has no numbers left.
CREATE FUNCTION portal_keep_organization_totals() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
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

-- Keeps daily_totals and unadministered, for forms, bulk statements, COPY and psql alike. New people count on the day
-- of their created_at, all others who come or go on the current day. Organizations don't count SUPER_ADMINs, because
-- their people can't see them.
CREATE FUNCTION portal_keep_daily_totals() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
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

CREATE TRIGGER days_insert AFTER INSERT ON users REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_daily_totals();
CREATE TRIGGER days_update AFTER UPDATE ON users REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_daily_totals();
CREATE TRIGGER days_delete AFTER DELETE ON users REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_daily_totals();
CREATE TRIGGER days_insert AFTER INSERT ON organizations REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_organization_totals();
CREATE TRIGGER days_delete AFTER DELETE ON organizations REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_organization_totals();

-- Those who are there already. The triggers' locks keep others from writing meanwhile.
INSERT INTO unadministered SELECT id FROM organizations o WHERE NOT EXISTS (
    SELECT FROM users u WHERE u.organization_id = o.id AND u.role = 'ADMIN' AND u.is_active AND u.deleted_at IS NULL
        AND (u.invited_at IS NULL OR u.accepted_at IS NOT NULL));
WITH one AS (
    SELECT CASE WHEN role <> 'SUPER_ADMIN' THEN organization_id END AS place, portal_total_day(created_at) AS on_day,
        1 AS plus, 0 AS minus, 0 AS visits
    FROM users
    UNION ALL
    SELECT CASE WHEN role <> 'SUPER_ADMIN' THEN organization_id END, portal_total_day(deleted_at), 0, 1, 0
    FROM users WHERE deleted_at IS NOT NULL
    UNION ALL
    SELECT organization_id, portal_total_day(at), 0, 0, 1
    FROM activity WHERE action = 'sign_in' AND at > now() - interval '400 days')
INSERT INTO daily_totals (organization_id, day, added, removed, sign_ins)
SELECT place, on_day, sum(plus), sum(minus), sum(visits) FROM one
GROUP BY on_day, GROUPING SETS ((), (place)) HAVING place IS NOT NULL OR grouping(place) = 1;

CREATE INDEX jobs_failed_idx ON jobs (organization_id, created_at DESC, id DESC)
WHERE state IN ('failed', 'partly failed');
CREATE INDEX procrastinate_jobs_failed_idx ON queue.procrastinate_jobs (id) WHERE status = 'failed';

ALTER TABLE daily_totals ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON daily_totals TO portal_tenant
USING (organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid));
GRANT SELECT ON daily_totals TO portal_tenant;

CREATE POLICY reader ON daily_totals FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON daily_totals TO portal_reader;

ALTER TABLE unadministered ENABLE ROW LEVEL SECURITY;
CREATE POLICY reader ON unadministered FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON unadministered TO portal_reader;
