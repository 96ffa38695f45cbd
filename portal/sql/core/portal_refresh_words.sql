-- Adds the words that were removed with a row although others have them, and those of rows that were moved to another
-- tenant, or written while triggers were off. Removes what is there twice, and returns how many.
CREATE OR REPLACE FUNCTION portal_refresh_words() RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    place name;
    removed bigint;
BEGIN
    FOR place IN SELECT DISTINCT relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE t.tgfoid = 'public.portal_keep_words'::regproc ORDER BY 1 LOOP
        EXECUTE portal_adding_words(place, place::text);
    END LOOP;
    DELETE FROM search_words s USING (
        SELECT table_name, organization_id, word, min(id) AS id FROM search_words GROUP BY 1, 2, 3 HAVING count(*) > 1
    ) kept WHERE (s.table_name, s.organization_id, s.word) = (kept.table_name, kept.organization_id, kept.word)
        AND s.id > kept.id;
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END $$;
REVOKE ALL ON FUNCTION portal_refresh_words FROM PUBLIC;
