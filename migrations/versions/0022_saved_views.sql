-- Saved views of lists.

CREATE TABLE saved_views (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    organization_id uuid,
    owner_id uuid,
    list_name text NOT NULL,
    name text NOT NULL,
    query text NOT NULL,
    sharing text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    created_by uuid,
    updated_by uuid,
    deleted_by uuid,
    version integer NOT NULL DEFAULT 1,
    sort_name text NOT NULL DEFAULT '',
    search_text text NOT NULL GENERATED ALWAYS AS (' ' || portal_fold(name)) STORED,
    CONSTRAINT saved_views_pkey PRIMARY KEY (id),
    CONSTRAINT saved_views_organization_id_fkey
    FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT saved_views_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT saved_views_sharing_check
    CHECK (sharing IN ('private', 'locked', 'open') AND (sharing = 'private') = (owner_id IS NOT NULL))
);
CREATE UNIQUE INDEX saved_views_name_key ON saved_views (organization_id, owner_id, list_name, lower(name))
NULLS NOT DISTINCT WHERE deleted_at IS NULL;
CREATE INDEX saved_views_organization_id_idx ON saved_views (organization_id);
CREATE INDEX saved_views_owner_id_idx ON saved_views (owner_id);
CREATE INDEX saved_views_created_at_idx ON saved_views (created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX saved_views_name_idx ON saved_views (sort_name COLLATE "C", id) WHERE deleted_at IS NULL;
CREATE INDEX saved_views_deleted_at_idx ON saved_views (deleted_at DESC, id DESC) WHERE deleted_at IS NOT NULL;
CREATE INDEX saved_views_search_text_idx ON saved_views USING gin (search_text gin_trgm_ops);

CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON saved_views FOR EACH ROW EXECUTE FUNCTION portal_stamp();
CREATE TRIGGER sort_name BEFORE INSERT OR UPDATE ON saved_views
FOR EACH ROW EXECUTE FUNCTION portal_keep_sorted();
SELECT portal_watch('saved_views', 'r.organization_id');
CREATE TRIGGER key_stays BEFORE UPDATE ON saved_views FOR EACH ROW
WHEN (OLD.id <> NEW.id OR OLD.organization_id IS DISTINCT FROM NEW.organization_id)
EXECUTE FUNCTION portal_key_stays();

ALTER TABLE saved_views ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON saved_views TO portal_tenant USING (
    organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid)
    AND (owner_id IS NULL OR owner_id = (SELECT nullif(current_setting('portal.actor_id', true), '')::uuid))
);
GRANT SELECT, INSERT, UPDATE (name, query, sharing, owner_id, deleted_at) ON saved_views TO portal_tenant;
CREATE POLICY reader ON saved_views FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON saved_views TO portal_reader;
