-- Whether a person has a second factor. Actors of a tenant can find out nothing else about second factors.
CREATE OR REPLACE FUNCTION portal_has_two_factor(who uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
RETURN public.portal_reaches(who) AND (EXISTS (SELECT FROM public.authenticators WHERE user_id = who)
    OR EXISTS (SELECT FROM public.passkeys WHERE user_id = who));
REVOKE ALL ON FUNCTION portal_has_two_factor FROM PUBLIC;
GRANT EXECUTE ON FUNCTION portal_has_two_factor TO portal_tenant;
