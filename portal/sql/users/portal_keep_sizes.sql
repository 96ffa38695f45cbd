-- Keeps organization_sizes when user_totals change. At the commit, so that nobody waits for a row of it any longer. An
-- organization without a row is being removed.
CREATE OR REPLACE FUNCTION portal_keep_sizes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    place uuid;
    more bigint := 0;
    safer bigint := 0;
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.status = 'active' THEN
        place := OLD.organization_id;
        more := -OLD.people;
        safer := CASE WHEN OLD.has_two_factor THEN -OLD.people ELSE 0 END;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.status = 'active' THEN
        place := NEW.organization_id;
        more := more + NEW.people;
        safer := safer + CASE WHEN NEW.has_two_factor THEN NEW.people ELSE 0 END;
    END IF;
    IF more <> 0 OR safer <> 0 THEN
        UPDATE organization_sizes SET people = people + more, protected = protected + safer
        WHERE organization_id = place;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_keep_sizes FROM PUBLIC;
