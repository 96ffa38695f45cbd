-- What rows of a table are called, by key: portal_watch wrote the function that knows. Of removed rows, `remains` holds
-- their values.
CREATE OR REPLACE FUNCTION portal_names(kind text, ids uuid[], remains jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    namer CONSTANT regproc := to_regproc(quote_ident('portal_names_of_' || kind));
    names jsonb;
BEGIN
    IF namer IS NOT NULL THEN
        EXECUTE format('SELECT %s($1, $2)', namer) INTO names USING ids, remains;
    END IF;
    RETURN names;
END $$;
REVOKE ALL ON FUNCTION portal_names FROM PUBLIC;
