-- The date on which an account is activated.

GRANT SELECT (activates_on), UPDATE (activates_on) ON users TO portal_tenant;
GRANT SELECT (activates_on) ON users TO portal_reader;
-- The history's functions name the columns.
SELECT portal_watch('users', $$CASE WHEN r.role <> 'SUPER_ADMIN' THEN r.organization_id END$$, '{password}',
    $$coalesce(nullif(btrim(concat_ws(' ', r.first_name, r.last_name)), ''), r.email)$$);
