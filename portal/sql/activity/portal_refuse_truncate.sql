-- TRUNCATE would delete rows without an event.
CREATE OR REPLACE FUNCTION portal_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'TRUNCATE of % would leave no history: use DELETE', TG_TABLE_NAME
        USING ERRCODE = 'object_not_in_prerequisite_state';
END $$;
REVOKE ALL ON FUNCTION portal_refuse_truncate FROM PUBLIC;
