-- Why an email address can't belong to a person of an organization, for people; NULL if it can.
CREATE OR REPLACE FUNCTION portal_address_problem(place uuid, address text) RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN (
        SELECT format('%s allows only email addresses at %s.', name, replace(email_domains, ' ', ' or '))
        FROM organizations
        WHERE id = place AND split_part(lower(address), '@', -1) <> ALL (string_to_array(email_domains, ' ')));
END $$;
REVOKE ALL ON FUNCTION portal_address_problem FROM PUBLIC;
GRANT EXECUTE ON FUNCTION portal_address_problem TO portal_tenant;
