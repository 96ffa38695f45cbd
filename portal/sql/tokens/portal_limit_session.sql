-- Shortens a session that is new, or comes along with its person, to what its organization allows.
CREATE OR REPLACE FUNCTION portal_limit_session() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    hours interval;
    unused interval;
BEGIN
    SELECT make_interval(hours => session_hours), make_interval(mins => idle_minutes) INTO hours, unused
    FROM organizations WHERE id = NEW.organization_id;
    NEW.idle := least(NEW.idle, unused);
    NEW.ends_at := least(NEW.ends_at, NEW.created_at + hours);
    NEW.expires_at := least(NEW.expires_at, NEW.ends_at, NEW.used_at + unused);
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION portal_limit_session FROM PUBLIC;
