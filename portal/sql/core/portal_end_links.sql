-- Removes the links of a row that moved to another tenant. Arguments: the table of links, and its column for the row.
CREATE OR REPLACE FUNCTION portal_end_links() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    EXECUTE format('DELETE FROM %I WHERE %I = $1 AND organization_id IS DISTINCT FROM $2', TG_ARGV[0], TG_ARGV[1])
    USING NEW.id, NEW.organization_id;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_end_links FROM PUBLIC;
