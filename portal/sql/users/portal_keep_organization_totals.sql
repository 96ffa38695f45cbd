-- A new organization has neither people nor an administrator yet. One that is removed has no numbers left.
CREATE OR REPLACE FUNCTION portal_keep_organization_totals() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO unadministered SELECT id FROM new_rows ON CONFLICT DO NOTHING;
        INSERT INTO organization_sizes (organization_id) SELECT id FROM new_rows ON CONFLICT DO NOTHING;
    ELSE
        DELETE FROM daily_totals USING old_rows r WHERE organization_id = r.id;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_keep_organization_totals FROM PUBLIC;
