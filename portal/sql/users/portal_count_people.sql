-- Counts the people of the actor's own organization in one state, up to `most`, from an index with nothing but that.
-- Behind the policy PostgreSQL would compare the id and role of each. It runs as the owner and applies the tenant's
-- condition itself.
CREATE OR REPLACE FUNCTION portal_count_people(state text, most integer) RETURNS bigint LANGUAGE plpgsql STABLE
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
DECLARE
    own CONSTANT uuid := CASE WHEN current_setting('portal.actor_role', true) = 'ADMIN'
        THEN nullif(current_setting('portal.organization_id', true), '')::uuid END;
    counted bigint;
BEGIN
    IF state = 'active' THEN
        SELECT count(*) INTO counted FROM (
            SELECT FROM users WHERE organization_id = own AND role <> 'SUPER_ADMIN' AND deleted_at IS NULL
                AND is_active AND (invited_at IS NULL OR accepted_at IS NOT NULL) LIMIT most) people;
    ELSIF state = 'invited' THEN
        SELECT count(*) INTO counted FROM (
            SELECT FROM users WHERE organization_id = own AND role <> 'SUPER_ADMIN' AND deleted_at IS NULL
                AND is_active AND invited_at IS NOT NULL AND accepted_at IS NULL LIMIT most) people;
    ELSIF state = 'deactivated' THEN
        SELECT count(*) INTO counted FROM (
            SELECT FROM users WHERE organization_id = own AND role <> 'SUPER_ADMIN' AND deleted_at IS NULL
                AND NOT is_active LIMIT most) people;
    END IF;
    RETURN counted;
END $$;
REVOKE ALL ON FUNCTION portal_count_people FROM PUBLIC;
GRANT EXECUTE ON FUNCTION portal_count_people TO portal_tenant;
