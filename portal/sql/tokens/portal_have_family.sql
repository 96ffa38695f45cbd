-- Other programs know refresh tokens only: the first token of a family that nobody knows starts a session.
CREATE OR REPLACE FUNCTION portal_have_family() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sign_ins (id, user_id, organization_id, idle, expires_at, ends_at)
    VALUES (NEW.family_id, NEW.user_id, NEW.organization_id,
        greatest(NEW.expires_at - NEW.created_at, '0'), NEW.expires_at, NEW.expires_at)
    ON CONFLICT (id) DO NOTHING;
    RETURN NEW;
END $$;
