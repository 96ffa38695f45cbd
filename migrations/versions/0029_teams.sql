-- How many people each team has, in a table with indexes in that order. Changes of both sizes wait for the commit in one
-- table, so that they are applied in one order.

CREATE TABLE size_changes (
    transaction_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    is_team boolean NOT NULL,
    key uuid NOT NULL,
    people bigint NOT NULL,
    part bigint NOT NULL,
    CONSTRAINT size_changes_pkey PRIMARY KEY (transaction_id, id)
);
CREATE TABLE team_sizes (
    team_id uuid NOT NULL,
    organization_id uuid NOT NULL,
    people bigint DEFAULT 0 NOT NULL,
    seen bigint DEFAULT 0 NOT NULL,
    CONSTRAINT team_sizes_pkey PRIMARY KEY (team_id),
    CONSTRAINT team_sizes_team_id_fkey FOREIGN KEY (team_id) REFERENCES teams (id) ON DELETE CASCADE
);

-- Those who are there already. The lock keeps others from writing meanwhile.
LOCK TABLE users, teams, team_members IN SHARE ROW EXCLUSIVE MODE;
UPDATE team_members m SET active_role = u.active_role
FROM (SELECT id, CASE portal_user_status(is_active, invited_at, accepted_at, deleted_at) WHEN 'active' THEN role END
        AS active_role FROM users) u
WHERE u.id = m.user_id AND m.active_role IS DISTINCT FROM u.active_role;
INSERT INTO team_sizes (team_id, organization_id, people, seen)
SELECT t.id, t.organization_id, count(m.active_role), count(m.active_role) FILTER (WHERE m.active_role <> 'SUPER_ADMIN')
FROM teams t LEFT JOIN team_members m ON m.team_id = t.id
GROUP BY t.id;
CREATE INDEX team_sizes_people_idx ON team_sizes (people, team_id) INCLUDE (organization_id);
CREATE INDEX team_sizes_seen_idx ON team_sizes (organization_id, seen, team_id);

-- Adds this transaction's size_changes to organization_sizes and team_sizes. At the commit, so that nobody waits for a
-- size any longer; the first change takes all of them, in one order, so that two commits never wait for each other.
-- Without a size, the organization or team is being removed.
CREATE OR REPLACE FUNCTION portal_keep_sizes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    changed record;
BEGIN
    WITH own AS (
        DELETE FROM size_changes WHERE transaction_id = pg_current_xact_id()::text::bigint RETURNING *),
    sums AS (
        SELECT is_team, key, sum(people)::bigint AS people, sum(part)::bigint AS part FROM own GROUP BY is_team, key
        HAVING sum(people) <> 0 OR sum(part) <> 0)
    SELECT array_agg(key) FILTER (WHERE NOT is_team) AS keys, array_agg(people) FILTER (WHERE NOT is_team) AS people,
        array_agg(part) FILTER (WHERE NOT is_team) AS parts, array_agg(key) FILTER (WHERE is_team) AS teams,
        array_agg(people) FILTER (WHERE is_team) AS members, array_agg(part) FILTER (WHERE is_team) AS seen
    INTO changed FROM sums;
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

-- Counts everybody again, for `flask users recount`: people written while triggers were off are missing in the totals
-- and sizes.
CREATE OR REPLACE FUNCTION portal_recount_users() RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    LOCK TABLE organizations, users, teams, team_members IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM user_totals;
    INSERT INTO user_totals (organization_id, in_deleted_organization, role, status, has_two_factor, people)
    SELECT r.organization_id, in_deleted, r.role, status, r.has_two_factor, count(*)
    FROM users r LEFT JOIN organizations o ON o.id = r.organization_id
        CROSS JOIN LATERAL (SELECT o.deleted_at IS NOT NULL) AS place(in_deleted)
        CROSS JOIN portal_user_status(r.is_active, r.invited_at, r.accepted_at, r.deleted_at) AS status
    GROUP BY in_deleted, r.role, status, r.has_two_factor, GROUPING SETS ((), (r.organization_id))
    HAVING r.organization_id IS NOT NULL OR grouping(r.organization_id) = 1
    ORDER BY organization_id;  -- the totals of an organization share a page
    SET CONSTRAINTS sizes_at_commit IMMEDIATE;
    UPDATE organization_sizes s SET people = t.people, protected = t.protected
    FROM (SELECT o.id, coalesce(sum(t.people), 0) AS people,
            coalesce(sum(t.people) FILTER (WHERE has_two_factor), 0) AS protected
        FROM organizations o LEFT JOIN user_totals t ON t.organization_id = o.id AND t.status = 'active'
        GROUP BY o.id) t
    WHERE s.organization_id = t.id AND (s.people, s.protected) <> (t.people, t.protected);
    UPDATE team_members m SET active_role = u.active_role
    FROM (SELECT id, CASE portal_user_status(is_active, invited_at, accepted_at, deleted_at) WHEN 'active' THEN role END
            AS active_role FROM users) u
    WHERE u.id = m.user_id AND m.active_role IS DISTINCT FROM u.active_role;
    UPDATE team_sizes s SET people = t.people, seen = t.seen
    FROM (SELECT o.team_id, count(active_role) AS people,
            count(active_role) FILTER (WHERE active_role <> 'SUPER_ADMIN') AS seen
        FROM team_sizes o LEFT JOIN team_members m ON m.team_id = o.team_id
        GROUP BY o.team_id) t
    WHERE s.team_id = t.team_id AND (s.people, s.seen) <> (t.people, t.seen);
END $$;
REVOKE ALL ON FUNCTION portal_recount_users FROM PUBLIC;

-- Keeps team_sizes when links to members change. New links get the member's `active_role`, which portal_check_links
-- has locked by then.
CREATE OR REPLACE FUNCTION portal_keep_team_sizes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    IF TG_TABLE_NAME = 'teams' THEN
        INSERT INTO team_sizes (team_id, organization_id) SELECT id, organization_id FROM new_rows
        ON CONFLICT DO NOTHING;
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO size_changes (transaction_id, is_team, key, people, part)
        SELECT pg_current_xact_id()::text::bigint, true, team_id, -count(*),
            -count(*) FILTER (WHERE active_role <> 'SUPER_ADMIN')
        FROM old_rows WHERE active_role IS NOT NULL GROUP BY team_id;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO size_changes (transaction_id, is_team, key, people, part)
        SELECT pg_current_xact_id()::text::bigint, true, team_id, count(*),
            count(*) FILTER (WHERE active_role <> 'SUPER_ADMIN')
        FROM new_rows WHERE active_role IS NOT NULL GROUP BY team_id;
    END IF;
    IF TG_OP = 'INSERT' THEN
        UPDATE team_members m SET active_role = u.active_role
        FROM (SELECT r.team_id, r.user_id, CASE portal_user_status(p.is_active, p.invited_at, p.accepted_at,
                p.deleted_at) WHEN 'active' THEN p.role END AS active_role
            FROM new_rows r JOIN users p ON p.id = r.user_id) u
        WHERE m.team_id = u.team_id AND m.user_id = u.user_id AND m.active_role IS DISTINCT FROM u.active_role;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_keep_team_sizes FROM PUBLIC;

-- Keeps the `active_role` of members when people change. Locks their teams first, in one order, so that none is removed
-- meanwhile.
CREATE OR REPLACE FUNCTION portal_keep_members() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    changed record;
BEGIN
    SELECT array_agg(r.id) AS keys, array_agg(r.active_role) AS roles INTO changed
    FROM (SELECT id, CASE portal_user_status(is_active, invited_at, accepted_at, deleted_at) WHEN 'active' THEN role END
            AS active_role FROM new_rows) r
        JOIN (SELECT id, CASE portal_user_status(is_active, invited_at, accepted_at, deleted_at) WHEN 'active' THEN role
            END AS active_role FROM old_rows) o ON o.id = r.id
    WHERE r.active_role IS DISTINCT FROM o.active_role;
    IF changed.keys IS NOT NULL THEN
        PERFORM FROM teams
        WHERE id = ANY (ARRAY(SELECT DISTINCT team_id FROM team_members WHERE user_id = ANY (changed.keys)))
        ORDER BY id FOR KEY SHARE;
        UPDATE team_members m SET active_role = c.active_role
        FROM unnest(changed.keys, changed.roles) c (key, active_role)
        WHERE m.user_id = c.key;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_keep_members FROM PUBLIC;

DROP TRIGGER sizes_at_commit ON user_totals;
CREATE CONSTRAINT TRIGGER sizes_at_commit AFTER INSERT ON size_changes
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION portal_keep_sizes();
CREATE TRIGGER sizes_insert AFTER INSERT ON teams REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_team_sizes();
CREATE TRIGGER sizes_insert AFTER INSERT ON team_members REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_team_sizes();
CREATE TRIGGER sizes_update AFTER UPDATE ON team_members REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_team_sizes();
CREATE TRIGGER sizes_delete AFTER DELETE ON team_members REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_team_sizes();
CREATE TRIGGER team_sizes AFTER UPDATE ON users REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_keep_members();

REVOKE ALL ON team_members FROM portal_tenant;
GRANT DELETE ON team_members TO portal_tenant;
GRANT SELECT (team_id, user_id, organization_id, created_at) ON team_members TO portal_tenant;
GRANT INSERT (team_id, user_id, organization_id, created_at) ON team_members TO portal_tenant;
ALTER TABLE size_changes ENABLE ROW LEVEL SECURITY;
CREATE POLICY reader ON size_changes FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON size_changes TO portal_reader;
ALTER TABLE team_sizes ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON team_sizes TO portal_tenant
USING (organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid));
GRANT SELECT (team_id, organization_id, seen) ON team_sizes TO portal_tenant;
CREATE POLICY reader ON team_sizes FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON team_sizes TO portal_reader;
