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
