-- Keeps search_words, for forms, bulk statements, COPY and psql alike. Words go with the row that stands for them, so
-- that nothing remains of a removed person; if others have them too, portal_refresh_words adds them again. Plans made
-- for one row also run for a million, so changed rows are found without a join, and adding is planned each time.
CREATE OR REPLACE FUNCTION portal_keep_words() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    changed uuid[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        EXECUTE portal_adding_words(TG_TABLE_NAME, 'new_rows');
        RETURN NULL;
    ELSIF TG_OP = 'DELETE' THEN
        changed := ARRAY(SELECT id FROM old_rows);
    ELSIF TG_TABLE_NAME = 'organizations' THEN
        changed := ARRAY(SELECT id FROM (
            SELECT id, search_text FROM new_rows EXCEPT ALL SELECT id, search_text FROM old_rows) differing);
    ELSE
        changed := ARRAY(SELECT id FROM (
            SELECT id, search_text, organization_id FROM new_rows
            EXCEPT ALL SELECT id, search_text, organization_id FROM old_rows) differing);
    END IF;
    IF cardinality(changed) > 0 THEN
        DELETE FROM search_words WHERE row_id = ANY (changed);
        IF TG_OP = 'UPDATE' THEN
            EXECUTE portal_adding_words(TG_TABLE_NAME, '(SELECT * FROM new_rows WHERE id = ANY ($1))') USING changed;
        END IF;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_keep_words FROM PUBLIC;
