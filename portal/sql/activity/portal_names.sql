-- Names, search texts and tenants of rows, by key, from the function that portal_watch writes for each table. Of
-- removed rows, `remains` holds the values.
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
