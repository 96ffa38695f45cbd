-- Organizations and people that somebody follows, for a daily email.

CREATE TABLE follows (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL,
    followed_organization_id uuid,
    followed_person_id uuid,
    digest_from timestamptz NOT NULL,
    digest_until timestamptz NOT NULL,
    CONSTRAINT follows_pkey PRIMARY KEY (id),
    CONSTRAINT follows_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT follows_followed_organization_id_fkey
    FOREIGN KEY (followed_organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT follows_followed_person_id_fkey
    FOREIGN KEY (followed_person_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT follows_followed_check CHECK (num_nonnulls(followed_organization_id, followed_person_id) = 1)
);
CREATE UNIQUE INDEX follows_user_id_key ON follows (user_id, followed_organization_id, followed_person_id)
NULLS NOT DISTINCT;
CREATE INDEX follows_followed_organization_id_idx ON follows (followed_organization_id);
CREATE INDEX follows_followed_person_id_idx ON follows (followed_person_id);

CREATE POLICY reader ON follows FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON follows TO portal_reader;
