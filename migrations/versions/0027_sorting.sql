-- Sort lists by every column: how many people each organization has, in a table with an index in that order.

CREATE TABLE organization_sizes (
    organization_id uuid NOT NULL,
    people bigint DEFAULT 0 NOT NULL,
    protected bigint DEFAULT 0 NOT NULL,
    CONSTRAINT organization_sizes_pkey PRIMARY KEY (organization_id),
    CONSTRAINT organization_sizes_organization_id_fkey
    FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE
);

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

CREATE CONSTRAINT TRIGGER sizes_at_commit AFTER INSERT OR UPDATE OR DELETE ON user_totals
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION portal_keep_sizes();

-- A new organization has neither people nor an administrator yet. One that is removed has no numbers left.
CREATE OR REPLACE FUNCTION portal_keep_organization_totals() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO unadministered SELECT id FROM new_rows ON CONFLICT DO NOTHING;
        INSERT INTO organization_sizes (organization_id) SELECT id FROM new_rows ON CONFLICT DO NOTHING;
    ELSE
        DELETE FROM daily_totals USING old_rows r WHERE organization_id = r.id;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_keep_organization_totals FROM PUBLIC;

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

-- Those who are there already. The trigger's lock keeps others from writing meanwhile.
INSERT INTO organization_sizes (organization_id, people, protected)
SELECT o.id, coalesce(sum(t.people), 0), coalesce(sum(t.people) FILTER (WHERE has_two_factor), 0)
FROM organizations o LEFT JOIN user_totals t ON t.organization_id = o.id AND t.status = 'active'
GROUP BY o.id;
CREATE INDEX organization_sizes_people_idx ON organization_sizes (people, organization_id);

ALTER TABLE organization_sizes ENABLE ROW LEVEL SECURITY;
CREATE POLICY reader ON organization_sizes FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON organization_sizes TO portal_reader;
