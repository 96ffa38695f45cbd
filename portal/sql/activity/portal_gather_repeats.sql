-- Turns the repeats of past minutes into events.
CREATE OR REPLACE FUNCTION portal_gather_repeats() RETURNS void LANGUAGE sql
BEGIN ATOMIC
    WITH ended AS (
        DELETE FROM activity_repeats WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM activity_repeats WHERE minute < date_trunc('minute', clock_timestamp())
            FOR UPDATE SKIP LOCKED))
        RETURNING *)
    INSERT INTO activity (operation_id, actor_id, actor_role, address, agent, request_id, organization_id, action,
        table_name, row_id, times)
    SELECT gen_random_uuid(), actor_id, actor_role, nullif(address, ''), agent, NULL, organization_id, action,
        table_name, row_id, times - 1
    FROM ended WHERE times > 1;
END;
REVOKE ALL ON FUNCTION portal_gather_repeats FROM PUBLIC;
