-- All events of one transaction are one operation. Its id is created when the first of them is written.
CREATE OR REPLACE FUNCTION portal_operation() RETURNS uuid LANGUAGE sql
RETURN coalesce(nullif(current_setting('portal.operation_id', true), ''),
    set_config('portal.operation_id', gen_random_uuid()::text, true))::uuid;
