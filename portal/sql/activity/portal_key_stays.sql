-- The history matches a row before and after a change by its key, so the key can't change.
CREATE OR REPLACE FUNCTION portal_key_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the key of a row of % can''t change', TG_TABLE_NAME
        USING ERRCODE = 'object_not_in_prerequisite_state';
END $$;
REVOKE ALL ON FUNCTION portal_key_stays FROM PUBLIC;
