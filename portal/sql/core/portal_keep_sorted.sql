-- Fills sort_name, whatever the statement says. A trigger rather than a generated column, because the expression of a
-- generated column can't change without rewriting the table while everyone waits.
CREATE OR REPLACE FUNCTION portal_keep_sorted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.sort_name := public.portal_sort_key(NEW.name);
    RETURN NEW;
END $$;
