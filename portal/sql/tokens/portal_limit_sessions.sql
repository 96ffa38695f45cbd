-- Shortens the sessions of an organization's people to what it allows from now on.
CREATE OR REPLACE FUNCTION portal_limit_sessions() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    hours CONSTANT interval := make_interval(hours => NEW.session_hours);
    unused CONSTANT interval := make_interval(mins => NEW.idle_minutes);
BEGIN
    UPDATE sessions SET idle = least(idle, unused), ends_at = least(ends_at, created_at + hours),
        expires_at = least(expires_at, created_at + hours, used_at + unused)
    WHERE organization_id = NEW.id AND ended_at IS NULL AND expires_at > now()
        AND (idle > unused OR ends_at > created_at + hours);
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION portal_limit_sessions FROM PUBLIC;
