-- Keeps unadministered for these organizations. Locking them makes others that change their administrators wait,
-- because two could each see the administrator whom the other removes.
CREATE OR REPLACE FUNCTION portal_keep_administered(places uuid[]) RETURNS void LANGUAGE plpgsql
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
