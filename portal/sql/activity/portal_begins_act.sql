-- Whether an operation has no event yet, in any tenant: who sees all tenants reads one entry per operation.
CREATE OR REPLACE FUNCTION portal_begins_act(operation uuid) RETURNS boolean LANGUAGE sql STABLE COST 10000
SET enable_seqscan = off
RETURN NOT EXISTS (SELECT FROM activity a WHERE a.operation_id = operation);
REVOKE ALL ON FUNCTION portal_begins_act FROM PUBLIC;
