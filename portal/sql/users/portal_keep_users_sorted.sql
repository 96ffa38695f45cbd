-- Sets sort_name, regardless of the statement. A trigger rather than a generated column, because changing the
-- expression of a generated column rewrites the table while everyone waits.
CREATE OR REPLACE FUNCTION portal_keep_users_sorted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.sort_name := public.portal_sort_name(NEW.last_name, NEW.first_name, NEW.email);
    RETURN NEW;
END $$;
