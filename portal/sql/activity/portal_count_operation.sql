-- Counts, at commit, the events of an operation with very many statements.
CREATE OR REPLACE FUNCTION portal_count_operation() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    WITH counted AS (
        SELECT table_name, action, count(*) AS many FROM activity
        WHERE operation_id = NEW.id AND (NEW.organization_id IS NULL OR organization_id = NEW.organization_id)
        GROUP BY table_name, action)
    UPDATE operations o SET (events, counts, actions) = (
        SELECT sum(many), jsonb_object_agg(concat_ws('.', table_name, action), many), array_agg(DISTINCT action)
        FROM counted),
        fields = ARRAY(
            SELECT DISTINCT field
            FROM activity CROSS JOIN jsonb_object_keys(CASE WHEN row_version IS NOT NULL AND action <> 'remove'
                AND jsonb_typeof(changes) = 'object' THEN changes END) AS field
            WHERE operation_id = NEW.id AND (NEW.organization_id IS NULL OR organization_id = NEW.organization_id)
            ORDER BY field)
    WHERE o.key = NEW.key;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_count_operation FROM PUBLIC;
