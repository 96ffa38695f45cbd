-- Whether the actor may see a person. Functions that run as the owner check this for callers inside a tenant.
CREATE OR REPLACE FUNCTION portal_reaches(who uuid) RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
RETURN current_setting('role') <> 'portal_tenant' OR EXISTS (
    SELECT FROM public.users WHERE id = who AND (
        id = nullif(current_setting('portal.actor_id', true), '')::uuid
        OR current_setting('portal.actor_role', true) = 'ADMIN' AND role <> 'SUPER_ADMIN'
        AND organization_id = nullif(current_setting('portal.organization_id', true), '')::uuid));
REVOKE ALL ON FUNCTION portal_reaches FROM PUBLIC;
