-- Runs a query of the data browser as portal_reader. Inside a function that runs as its owner, PostgreSQL prevents
-- changes of the role: neither RESET ROLE nor set_config works, not even in a nested statement. After a restore without
-- owners, it belongs to another role and refuses to run.
--
-- Values, rows and messages are truncated on the server to a length that can be shown. Error messages, too, because
-- they can quote a whole value.
GRANT CREATE ON SCHEMA public TO portal_reader;  -- required for owners of objects in the schema
SET ROLE portal_reader;
CREATE OR REPLACE FUNCTION portal_query(statement text, most integer, room integer, longest integer)
RETURNS SETOF text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    one record;
    cells text[];
    lines integer := 0;
    used integer := 0;
    message text;
    hint text;
BEGIN
    IF current_user <> 'portal_reader' OR current_setting('transaction_read_only') <> 'on' THEN
        RAISE EXCEPTION 'portal_query must belong to portal_reader, and run where nothing can be written'
            USING ERRCODE = 'insufficient_privilege';
    END IF;

    FOR one IN EXECUTE statement LOOP
        cells := ARRAY(SELECT left(value, longest) FROM json_each_text(row_to_json(one)) WITH ORDINALITY
            ORDER BY ordinality);
        lines := lines + 1;
        used := used + (SELECT sum(coalesce(octet_length(cell), 0) + 20) FROM unnest(cells) cell);
        RETURN NEXT cells;
        EXIT WHEN lines >= most OR used >= room;
    END LOOP;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = left(message, 1000), HINT = left(hint, 1000);
END $$;
REVOKE ALL ON FUNCTION portal_query FROM PUBLIC;
RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM portal_reader;
