-- Many changes of sizes in one transaction take as long as they are many.

-- Adds this transaction's size_changes to organization_sizes and team_sizes. At the commit, so that nobody waits for a
-- size any longer; the first change takes all of them, in one order, so that two commits never wait for each other. The
-- setting remembers the last one taken: looking for further ones would visit all those that are removed, each time.
-- Without a size, the organization or team is being removed.
CREATE OR REPLACE FUNCTION portal_keep_sizes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    taken bigint := coalesce(nullif(current_setting('portal.sizes_taken', true), ''), '0')::bigint;
    changed record;
BEGIN
    IF NEW.id <= taken THEN
        RETURN NULL;
    END IF;
    WITH own AS (
        DELETE FROM size_changes WHERE transaction_id = NEW.transaction_id AND id > taken RETURNING *),
    sums AS (
        SELECT is_team, key, sum(people)::bigint AS people, sum(part)::bigint AS part FROM own GROUP BY is_team, key
        HAVING sum(people) <> 0 OR sum(part) <> 0)
    SELECT array_agg(key) FILTER (WHERE NOT is_team) AS keys, array_agg(people) FILTER (WHERE NOT is_team) AS people,
        array_agg(part) FILTER (WHERE NOT is_team) AS parts, array_agg(key) FILTER (WHERE is_team) AS teams,
        array_agg(people) FILTER (WHERE is_team) AS members, array_agg(part) FILTER (WHERE is_team) AS seen,
        (SELECT max(id) FROM own) AS last
    INTO changed FROM sums;
    PERFORM set_config('portal.sizes_taken', changed.last::text, true);
    IF changed.keys IS NOT NULL THEN
        PERFORM FROM organization_sizes WHERE organization_id = ANY (changed.keys)
        ORDER BY organization_id FOR NO KEY UPDATE;
        UPDATE organization_sizes s SET people = s.people + c.people, protected = s.protected + c.part
        FROM unnest(changed.keys, changed.people, changed.parts) AS c (key, people, part)
        WHERE s.organization_id = c.key;
    END IF;
    IF changed.teams IS NOT NULL THEN
        PERFORM FROM team_sizes WHERE team_id = ANY (changed.teams) ORDER BY team_id FOR NO KEY UPDATE;
        UPDATE team_sizes s SET people = s.people + c.people, seen = s.seen + c.part
        FROM unnest(changed.teams, changed.members, changed.seen) AS c (key, people, part)
        WHERE s.team_id = c.key;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_keep_sizes FROM PUBLIC;
