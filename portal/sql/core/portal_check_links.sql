-- Refuses links between rows of different tenants, of deleted rows, and in deleted organizations. Locks all of them, so
-- that they stay as they are meanwhile. Arguments: each table and the link's column for it. `links` is the transition
-- table.
CREATE OR REPLACE FUNCTION portal_check_links() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    stray uuid;
BEGIN
    FOR at IN 0..TG_NARGS - 2 BY 2 LOOP
        EXECUTE format($sql$
            SELECT links.%2$I
            FROM links LEFT JOIN (
                SELECT id, organization_id FROM %1$I WHERE id IN (SELECT %2$I FROM links) AND deleted_at IS NULL
                ORDER BY id FOR SHARE) own
                ON own.id = links.%2$I AND own.organization_id = links.organization_id
            WHERE own.id IS NULL
            $sql$, TG_ARGV[at], TG_ARGV[at + 1])
        INTO stray;
        IF stray IS NOT NULL THEN
            RAISE EXCEPTION '% is deleted, or the link to it belongs to another organization', stray
                USING ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME, COLUMN = TG_ARGV[at + 1];
        END IF;
    END LOOP;
    SELECT links.organization_id INTO stray
    FROM links LEFT JOIN (
        SELECT id FROM organizations WHERE id IN (SELECT organization_id FROM links) AND deleted_at IS NULL
        ORDER BY id FOR SHARE) own ON own.id = links.organization_id
    WHERE own.id IS NULL;
    IF stray IS NOT NULL THEN
        RAISE EXCEPTION 'the organization % is deleted', stray
            USING ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME, COLUMN = 'organization_id';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_check_links FROM PUBLIC;
