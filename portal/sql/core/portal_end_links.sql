-- Removes the links of a row that moves to another tenant. Arguments: the table of links, and its column for the row.
-- Runs BEFORE UPDATE: the events are then for the tenant that saw the row until now.
CREATE OR REPLACE FUNCTION portal_end_links() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    EXECUTE format('DELETE FROM %I WHERE %I = $1 AND organization_id IS DISTINCT FROM $2', TG_ARGV[0], TG_ARGV[1])
    USING NEW.id, NEW.organization_id;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION portal_end_links FROM PUBLIC;
