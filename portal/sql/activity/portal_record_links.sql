-- Records in the histories of both rows that a link between them, such as a team's member, was added or removed.
-- Arguments: the noun in the action (`member` makes member_added and member_removed), then each table and the link's
-- column for it. `links` is the transition table. Only a tenant that sees both rows sees the events.
CREATE OR REPLACE FUNCTION portal_record_links() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    EXECUTE format($sql$
        WITH pairs AS MATERIALIZED (SELECT %I AS one, %I AS other FROM links),
        known AS MATERIALIZED (
            SELECT portal_names($1, array_agg(DISTINCT one), NULL) AS ones,
                portal_names($2, array_agg(DISTINCT other), NULL) AS others
            FROM pairs),
        seen AS (
            SELECT one, other, nullif(ones #>> ARRAY[one::text, '2'], '')::uuid AS tenant,
                nullif(others #>> ARRAY[other::text, '2'], '')::uuid AS other_tenant
            FROM pairs CROSS JOIN known)
        INSERT INTO activity (organization_id, action, table_name, row_id, changes)
        SELECT CASE tenant WHEN other_tenant THEN tenant END, $3, side.kind, side.id,
            jsonb_build_object(side.other_kind, jsonb_build_array(NULL, side.other_id))
        FROM seen CROSS JOIN LATERAL (VALUES ($1, one, $2, other), ($2, other, $1, one))
            AS side (kind, id, other_kind, other_id)
        $sql$, TG_ARGV[2], TG_ARGV[4])
    USING TG_ARGV[1], TG_ARGV[3], TG_ARGV[0] || CASE TG_OP WHEN 'INSERT' THEN '_added' ELSE '_removed' END;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_record_links FROM PUBLIC;
