-- Events of private saved views belong to no organization: only their owner sees them.

DROP POLICY IF EXISTS tenant ON activity;
-- Events of the actor's organization, events about the actor, and what the actor did to private views.
CREATE POLICY tenant ON activity TO portal_tenant USING (
    organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid)
    OR (table_name = 'users' AND row_id = (SELECT nullif(current_setting('portal.actor_id', true), '')::uuid))
    OR (table_name = 'saved_views' AND organization_id IS NULL
        AND actor_id = (SELECT nullif(current_setting('portal.actor_id', true), '')::uuid))
);

SELECT portal_watch('saved_views', 'CASE WHEN r.owner_id IS NULL THEN r.organization_id END');

-- The organization's history of views that are private now loses its values.
DO $$
DECLARE
    private CONSTANT uuid[] := ARRAY(SELECT id FROM saved_views WHERE owner_id IS NOT NULL);
BEGIN
    IF cardinality(private) > 0 THEN
        PERFORM portal_erase_activity('saved_views', VARIADIC private);
    END IF;
END $$;
