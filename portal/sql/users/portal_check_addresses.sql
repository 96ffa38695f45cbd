-- Refuses new people, new addresses and moves that the email domains of the organization don't allow. People who were
-- there before keep their addresses.
CREATE OR REPLACE FUNCTION portal_check_addresses() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    problem text;
BEGIN
    IF TG_LEVEL = 'ROW' THEN
        problem := coalesce(portal_address_problem(NEW.organization_id, NEW.email),
            portal_address_problem(NEW.organization_id, NEW.pending_email));
    ELSIF EXISTS (SELECT FROM organizations WHERE email_domains IS NOT NULL
        AND id = ANY (ARRAY(SELECT DISTINCT organization_id FROM new_rows))) THEN
        problem := (SELECT min(portal_address_problem(organization_id, email)) FROM new_rows);
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', TABLE = 'users', CONSTRAINT = 'users_email_rule',
            MESSAGE = problem;
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION portal_check_addresses FROM PUBLIC;
