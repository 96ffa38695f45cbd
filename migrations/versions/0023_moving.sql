-- Sessions belong to the organization of their person, also after a move, and last no longer than it allows.

-- Takes the sessions of people who move along, under the limits of the organization to which they move.
CREATE OR REPLACE FUNCTION portal_move_sessions() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    UPDATE sessions SET organization_id = NEW.organization_id
    WHERE user_id = NEW.id AND ended_at IS NULL AND expires_at > now();
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_move_sessions FROM PUBLIC;

CREATE OR REPLACE TRIGGER limits BEFORE INSERT OR UPDATE OF organization_id ON sessions FOR EACH ROW
WHEN (NEW.organization_id IS NOT NULL) EXECUTE FUNCTION portal_limit_session();
CREATE OR REPLACE TRIGGER sessions_move AFTER UPDATE OF organization_id ON users FOR EACH ROW
WHEN (OLD.organization_id IS DISTINCT FROM NEW.organization_id) EXECUTE FUNCTION portal_move_sessions();

UPDATE sessions SET organization_id = users.organization_id FROM users
WHERE users.id = user_id AND sessions.organization_id IS DISTINCT FROM users.organization_id
    AND ended_at IS NULL AND expires_at > now();
