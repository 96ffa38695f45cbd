-- How organization_sizes were kept.

DROP TRIGGER team_sizes ON users;
DROP TRIGGER sizes_insert ON teams;
DROP TRIGGER sizes_insert ON team_members;
DROP TRIGGER sizes_update ON team_members;
DROP TRIGGER sizes_delete ON team_members;
DROP TABLE size_changes, team_sizes;
DROP FUNCTION portal_keep_team_sizes, portal_keep_members;
REVOKE ALL ON team_members FROM portal_tenant;
GRANT SELECT, INSERT, DELETE ON team_members TO portal_tenant;
ALTER TABLE team_members DROP COLUMN active_role;
CREATE OR REPLACE TRIGGER key_stays BEFORE UPDATE ON team_members FOR EACH ROW EXECUTE FUNCTION portal_key_stays();

-- Keeps organization_sizes when user_totals change. At the commit, so that nobody waits for a row of it any longer. An
-- organization without a row is being removed.
CREATE OR REPLACE FUNCTION portal_keep_sizes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    place uuid;
    more bigint := 0;
    safer bigint := 0;
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.status = 'active' THEN
        place := OLD.organization_id;
        more := -OLD.people;
        safer := CASE WHEN OLD.has_two_factor THEN -OLD.people ELSE 0 END;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.status = 'active' THEN
        place := NEW.organization_id;
        more := more + NEW.people;
        safer := safer + CASE WHEN NEW.has_two_factor THEN NEW.people ELSE 0 END;
    END IF;
    IF more <> 0 OR safer <> 0 THEN
        UPDATE organization_sizes SET people = people + more, protected = protected + safer
        WHERE organization_id = place;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_keep_sizes FROM PUBLIC;

-- Adds a number of people to their total. A row that another transaction is changing is skipped, and a second row of
-- the same total is changed or made instead: nobody waits, and a total has at most as many rows as there were writers.
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
END $$;
REVOKE ALL ON FUNCTION portal_add_to_user_totals FROM PUBLIC;

-- Counts everybody again, for `flask users recount`: people written while triggers were off are missing in the totals.
CREATE OR REPLACE FUNCTION portal_recount_users() RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    LOCK TABLE organizations, users IN SHARE ROW EXCLUSIVE MODE;
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
END $$;
REVOKE ALL ON FUNCTION portal_recount_users FROM PUBLIC;

CREATE CONSTRAINT TRIGGER sizes_at_commit AFTER INSERT OR UPDATE OR DELETE ON user_totals
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION portal_keep_sizes();
