-- When people are permanently deleted, erases them from the rows of imports, and deletes the files that mention them.
-- Nobody knows whom a file mentions that was not read to its end, or has no rows of people: such files are deleted if
-- somebody of the same organization, or a SUPER_ADMIN, uploaded them.
CREATE OR REPLACE FUNCTION portal_forget_imported() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    WITH erased AS (
        UPDATE import_rows r SET key = NULL, first_name = NULL, last_name = NULL, before = NULL
        FROM old_rows o, imports i
        WHERE r.import_id = i.id AND r.key IN (lower(o.email), lower(o.pending_email))
        RETURNING r.import_id),
    suspect AS (
        SELECT import_id FROM erased
        UNION
        SELECT i.id FROM imports i JOIN old_rows o ON i.organization_id IS NULL OR i.organization_id = o.organization_id
        WHERE i.state = 'read' OR i.resource <> 'users'),
    removed AS (DELETE FROM import_parts WHERE import_id IN (SELECT import_id FROM suspect)),
    hidden AS (UPDATE imports SET sample = '[]' WHERE id IN (SELECT import_id FROM suspect))
    UPDATE import_rows SET text = NULL
    WHERE import_id IN (SELECT import_id FROM erased) AND key IS NULL AND text IS NOT NULL;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_forget_imported FROM PUBLIC;
CREATE OR REPLACE TRIGGER portal_forget_imported AFTER DELETE ON users REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION portal_forget_imported();
