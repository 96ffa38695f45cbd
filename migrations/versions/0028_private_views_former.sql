-- What 0028_private_views replaced. What it erased stays erased.

DROP POLICY IF EXISTS tenant ON activity;
-- Events of the actor's organization, and events about the actor.
CREATE POLICY tenant ON activity TO portal_tenant USING (
    organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid)
    OR (table_name = 'users' AND row_id = (SELECT nullif(current_setting('portal.actor_id', true), '')::uuid))
);

SELECT portal_watch('saved_views', 'r.organization_id');
