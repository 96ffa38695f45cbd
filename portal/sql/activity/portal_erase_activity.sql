-- Empties the values of all events about one row, for the right to be forgotten. That it was done is an event.
CREATE OR REPLACE FUNCTION portal_erase_activity(erased text, erased_id uuid) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    emptied bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('portal_seal_activity'));
    PERFORM set_config('portal.retention', 'on', true);
    UPDATE activity_leaves l SET salt = NULL FROM activity a
    WHERE a.id = l.activity_id AND a.table_name = erased AND a.row_id = erased_id;
    UPDATE activity SET changes = NULL, address = NULL, agent = NULL
    WHERE table_name = erased AND row_id = erased_id;
    GET DIAGNOSTICS emptied = ROW_COUNT;
    PERFORM set_config('portal.retention', '', true);
    INSERT INTO activity (action, table_name, row_id) VALUES ('erase', erased, erased_id);
    RETURN emptied;
END $$;
REVOKE ALL ON FUNCTION portal_erase_activity FROM PUBLIC;
