-- The day under which daily_totals counts a time: its day in UTC, or for times more than 40 days ago, the first of its
-- month, so that old rows are few.
CREATE OR REPLACE FUNCTION portal_total_day(at timestamptz) RETURNS date LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN at > now() - interval '40 days' THEN least(at, now()) AT TIME ZONE 'UTC'
        ELSE date_trunc('month', at AT TIME ZONE 'UTC') END::date
$$;
