-- Sorts people by the names they are called.
CREATE OR REPLACE FUNCTION portal_keep_users_sorted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.sort_name := public.portal_sort_name(NEW.last_name, coalesce(NEW.nickname, NEW.first_name), NEW.email);
    RETURN NEW;
END $$;

GRANT SELECT (nickname) ON users TO portal_tenant, portal_reader;
SELECT portal_watch('users', $$CASE WHEN r.role <> 'SUPER_ADMIN' THEN r.organization_id END$$, '{password}');
