-- Teams, and the people in them.

CREATE TABLE teams (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    organization_id uuid NOT NULL,
    name text NOT NULL,
    description text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    created_by uuid,
    updated_by uuid,
    deleted_by uuid,
    version integer NOT NULL DEFAULT 1,
    sort_name text NOT NULL DEFAULT '',
    search_text text NOT NULL GENERATED ALWAYS AS (' ' || portal_fold(name || ' ' || coalesce(description, ''))) STORED,
    CONSTRAINT teams_pkey PRIMARY KEY (id),
    CONSTRAINT teams_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX teams_name_key ON teams (organization_id, lower(name)) WHERE deleted_at IS NULL;
CREATE INDEX teams_organization_id_idx ON teams (organization_id);
CREATE INDEX teams_created_at_idx ON teams (created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX teams_name_idx ON teams (sort_name COLLATE "C", id) WHERE deleted_at IS NULL;
CREATE INDEX teams_deleted_at_idx ON teams (deleted_at DESC, id DESC) WHERE deleted_at IS NOT NULL;
CREATE INDEX teams_search_text_idx ON teams USING gin (search_text gin_trgm_ops);

CREATE TABLE team_members (
    team_id uuid NOT NULL,
    user_id uuid NOT NULL,
    organization_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT team_members_pkey PRIMARY KEY (team_id, user_id),
    CONSTRAINT team_members_team_id_fkey FOREIGN KEY (team_id) REFERENCES teams (id) ON DELETE CASCADE,
    CONSTRAINT team_members_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX team_members_user_id_idx ON team_members (user_id);

CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON teams FOR EACH ROW EXECUTE FUNCTION portal_stamp();
CREATE TRIGGER sort_name BEFORE INSERT OR UPDATE ON teams FOR EACH ROW EXECUTE FUNCTION portal_keep_sorted();
SELECT portal_watch('teams', 'r.organization_id');
CREATE TRIGGER key_stays BEFORE UPDATE ON teams FOR EACH ROW
WHEN (OLD.id <> NEW.id OR OLD.organization_id <> NEW.organization_id) EXECUTE FUNCTION portal_key_stays();

ALTER TABLE teams ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON teams TO portal_tenant
USING (organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid));
GRANT SELECT, INSERT, UPDATE (name, description, deleted_at) ON teams TO portal_tenant;
CREATE POLICY reader ON teams FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON teams TO portal_reader;

CREATE TRIGGER check_links AFTER INSERT ON team_members REFERENCING NEW TABLE AS links FOR EACH STATEMENT
EXECUTE FUNCTION portal_check_links('teams', 'team_id', 'users', 'user_id');
CREATE TRIGGER history_insert AFTER INSERT ON team_members REFERENCING NEW TABLE AS links FOR EACH STATEMENT
EXECUTE FUNCTION portal_record_links('member', 'teams', 'team_id', 'users', 'user_id');
CREATE TRIGGER history_delete AFTER DELETE ON team_members REFERENCING OLD TABLE AS links FOR EACH STATEMENT
EXECUTE FUNCTION portal_record_links('member', 'teams', 'team_id', 'users', 'user_id');
CREATE TRIGGER history_truncate BEFORE TRUNCATE ON team_members FOR EACH STATEMENT
EXECUTE FUNCTION portal_refuse_truncate();
CREATE TRIGGER key_stays BEFORE UPDATE ON team_members FOR EACH ROW EXECUTE FUNCTION portal_key_stays();
CREATE TRIGGER team_members BEFORE UPDATE ON users FOR EACH ROW
WHEN (OLD.organization_id IS DISTINCT FROM NEW.organization_id)
EXECUTE FUNCTION portal_end_links('team_members', 'user_id');

ALTER TABLE team_members ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON team_members TO portal_tenant
USING (organization_id = (SELECT nullif(current_setting('portal.organization_id', true), '')::uuid));
GRANT SELECT, INSERT, DELETE ON team_members TO portal_tenant;
CREATE POLICY reader ON team_members FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON team_members TO portal_reader;
