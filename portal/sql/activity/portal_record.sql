-- Records events without a changed row, such as sign-ins and refusals. Of repeats (the same action, address, person and
-- row), the first in a minute becomes an event at once; the others of that minute become one event with a count.
CREATE OR REPLACE FUNCTION portal_record(
    what text, who uuid, acting_as text, tenant uuid, about text, about_id uuid, details jsonb, is_counted boolean)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    so_far integer := 1;
BEGIN
    IF is_counted THEN
        INSERT INTO activity_repeats AS r
            (minute, action, actor_id, actor_role, address, agent, organization_id, table_name, row_id)
        VALUES (date_trunc('minute', clock_timestamp()), what, who, acting_as,
            coalesce(current_setting('portal.address', true), ''), current_setting('portal.agent', true),
            tenant, about, about_id)
        ON CONFLICT (minute, action, actor_id, address, table_name, row_id) DO UPDATE SET times = r.times + 1
        RETURNING times INTO so_far;
    END IF;
    IF so_far = 1 THEN
        PERFORM portal_gather_repeats();
        INSERT INTO activity (actor_id, actor_role, organization_id, action, table_name, row_id, changes)
        VALUES (who, acting_as, tenant, what, about, about_id, details);
    END IF;
END $$;
REVOKE ALL ON FUNCTION portal_record FROM PUBLIC;
