-- Other programs know only refresh tokens, so the first token of an unknown session creates the session.
CREATE OR REPLACE FUNCTION portal_open_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sessions (id, user_id, organization_id, idle, expires_at, ends_at)
    VALUES (NEW.session_id, NEW.user_id, NEW.organization_id,
        greatest(NEW.expires_at - NEW.created_at, '0'), NEW.expires_at, NEW.expires_at)
    ON CONFLICT (id) DO NOTHING;
    RETURN NEW;
END $$;
