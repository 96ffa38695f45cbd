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
