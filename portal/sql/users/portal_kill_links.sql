-- Invalidates emailed links when a value changes that their digest covers. Undoing the change would make the digest
-- valid again, so it also covers a counter that only grows.
CREATE OR REPLACE FUNCTION portal_kill_links()
RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (OLD.email, OLD.pending_email, OLD.password, OLD.role, OLD.organization_id)
        IS DISTINCT FROM (NEW.email, NEW.pending_email, NEW.password, NEW.role, NEW.organization_id) THEN
        NEW.link_counter := greatest(NEW.link_counter, OLD.link_counter + 1);
    END IF;
    RETURN NEW;
END $$;
