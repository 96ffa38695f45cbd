-- Takes the sessions of people who move along, under the limits of the organization to which they move.
CREATE OR REPLACE FUNCTION portal_move_sessions() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    UPDATE sessions SET organization_id = NEW.organization_id
    WHERE user_id = NEW.id AND ended_at IS NULL AND expires_at > now();
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_move_sessions FROM PUBLIC;
