-- When people are permanently removed, erases them from the rows of imports, and deletes the files that mention them.
CREATE OR REPLACE FUNCTION portal_forget_imported() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    WITH erased AS (
        UPDATE import_rows r SET key = NULL, first_name = NULL, last_name = NULL, before = NULL
        FROM old_rows o, imports i
        WHERE r.import_id = i.id AND r.key IN (lower(o.email), lower(o.pending_email))
        RETURNING r.import_id),
    removed AS (DELETE FROM import_parts WHERE import_id IN (SELECT import_id FROM erased)),
    hidden AS (UPDATE imports SET sample = '[]' WHERE id IN (SELECT import_id FROM erased))
    UPDATE import_rows SET text = NULL
    WHERE import_id IN (SELECT import_id FROM erased) AND key IS NULL AND text IS NOT NULL;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_forget_imported FROM PUBLIC;
CREATE OR REPLACE TRIGGER portal_forget_imported AFTER DELETE ON users REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_forget_imported();
