-- Whether an operation has no event in this tenant yet: its first event stands for it in lists. Without the index all
-- events would be read; after an operation with very many rows the planner may take that for the shorter way.
CREATE OR REPLACE FUNCTION portal_is_first(operation uuid, tenant uuid)
RETURNS boolean LANGUAGE sql STABLE COST 10000
SET enable_seqscan = off
RETURN CASE WHEN tenant IS NULL
    THEN NOT EXISTS (SELECT FROM activity a WHERE a.operation_id = operation AND a.organization_id IS NULL)
    ELSE NOT EXISTS (SELECT FROM activity a WHERE a.operation_id = operation AND a.organization_id = tenant) END;
REVOKE ALL ON FUNCTION portal_is_first FROM PUBLIC;
