-- Keeps users.has_two_factor, which lists show. The person is locked first: of two factors that are removed at the same
-- time, the second then sees that the first is gone.
CREATE OR REPLACE FUNCTION portal_keep_two_factor()
RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    who uuid;
BEGIN
    FOREACH who IN ARRAY CASE TG_OP WHEN 'INSERT' THEN ARRAY[NEW.user_id] WHEN 'DELETE' THEN ARRAY[OLD.user_id]
        ELSE ARRAY[OLD.user_id, NEW.user_id] END LOOP
        PERFORM FROM users WHERE id = who FOR NO KEY UPDATE;
        UPDATE users SET has_two_factor = NOT has_two_factor WHERE id = who AND has_two_factor <> (
            EXISTS (SELECT FROM authenticators WHERE user_id = who)
            OR EXISTS (SELECT FROM passkeys WHERE user_id = who));
    END LOOP;
    RETURN NULL;
END $$;
