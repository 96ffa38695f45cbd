-- Sessions, tokens, second factors, rate limits, and the demo's outbox.

CREATE TABLE sessions (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    token text,
    user_id uuid NOT NULL,
    organization_id uuid,
    is_kept boolean NOT NULL DEFAULT false,
    address text NOT NULL DEFAULT '',
    agent text NOT NULL DEFAULT '',
    idle interval NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    authenticated_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    ended_at timestamptz,
    is_browser boolean NOT NULL GENERATED ALWAYS AS (token IS NOT NULL) STORED,
    CONSTRAINT sessions_pkey PRIMARY KEY (id),
    CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
        ON UPDATE CASCADE ON DELETE CASCADE,
    CONSTRAINT sessions_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id)
        ON UPDATE CASCADE ON DELETE SET NULL
);
CREATE UNIQUE INDEX sessions_token_key ON sessions (token);
CREATE INDEX sessions_user_id_idx ON sessions (user_id);
CREATE INDEX sessions_organization_id_idx ON sessions (organization_id);


-- Refresh tokens of API clients: in a session, each replaces the previous one

CREATE TABLE refresh_tokens (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    token text NOT NULL,
    user_id uuid NOT NULL,
    organization_id uuid,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    session_id uuid NOT NULL DEFAULT gen_random_uuid(),
    CONSTRAINT refresh_tokens_pkey PRIMARY KEY (id),
    CONSTRAINT refresh_tokens_session_id_fkey FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE,
    CONSTRAINT refresh_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
        ON UPDATE CASCADE ON DELETE CASCADE,
    CONSTRAINT refresh_tokens_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id)
        ON UPDATE CASCADE ON DELETE SET NULL
);
CREATE UNIQUE INDEX refresh_tokens_token_key ON refresh_tokens (token);
CREATE UNIQUE INDEX refresh_tokens_unspent_key ON refresh_tokens (session_id) WHERE revoked_at IS NULL;
CREATE INDEX refresh_tokens_user_id_idx ON refresh_tokens (user_id);
CREATE INDEX refresh_tokens_organization_id_idx ON refresh_tokens (organization_id);
CREATE INDEX refresh_tokens_session_id_idx ON refresh_tokens (session_id);

-- Other programs know only refresh tokens, so the first token of an unknown session creates the session.
CREATE FUNCTION portal_open_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sessions (id, user_id, organization_id, idle, expires_at, ends_at)
    VALUES (NEW.session_id, NEW.user_id, NEW.organization_id,
        greatest(NEW.expires_at - NEW.created_at, '0'), NEW.expires_at, NEW.expires_at)
    ON CONFLICT (id) DO NOTHING;
    RETURN NEW;
END $$;
CREATE TRIGGER open_session BEFORE INSERT ON refresh_tokens FOR EACH ROW
EXECUTE FUNCTION portal_open_session();


-- API tokens, and stored responses for repeated requests

CREATE TABLE api_tokens (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    token text NOT NULL,
    user_id uuid NOT NULL,
    organization_id uuid,
    name text NOT NULL,
    beginning text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT api_tokens_pkey PRIMARY KEY (id),
    CONSTRAINT api_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
        ON UPDATE CASCADE ON DELETE CASCADE,
    CONSTRAINT api_tokens_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id)
        ON UPDATE CASCADE ON DELETE SET NULL
);
CREATE UNIQUE INDEX api_tokens_token_key ON api_tokens (token);
CREATE INDEX api_tokens_user_id_idx ON api_tokens (user_id);
CREATE INDEX api_tokens_organization_id_idx ON api_tokens (organization_id);

CREATE TABLE idempotency_keys (
    key bytea NOT NULL,
    fingerprint bytea NOT NULL,
    answer bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (key)
);
CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);


-- Second factors: tenants can't read these tables

CREATE TABLE authenticators (
    user_id uuid NOT NULL,
    secret text NOT NULL,
    last_step bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz,
    CONSTRAINT authenticators_pkey PRIMARY KEY (user_id),
    CONSTRAINT authenticators_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
        ON UPDATE CASCADE ON DELETE CASCADE
);

CREATE TABLE passkeys (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL,
    name text NOT NULL,
    credential_id bytea NOT NULL,
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz,
    CONSTRAINT passkeys_pkey PRIMARY KEY (id),
    CONSTRAINT passkeys_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
        ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE UNIQUE INDEX passkeys_credential_id_key ON passkeys (credential_id);
CREATE INDEX passkeys_user_id_idx ON passkeys (user_id);

-- Keeps users.has_two_factor, which lists show. The person is locked first: of two factors that are removed at the same
-- time, the second then sees that the first is gone.
CREATE FUNCTION portal_keep_two_factor()
RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    who uuid;
BEGIN
    FOREACH who IN ARRAY CASE TG_OP WHEN 'INSERT' THEN ARRAY[NEW.user_id] WHEN 'DELETE' THEN ARRAY[OLD.user_id]
        ELSE ARRAY[OLD.user_id, NEW.user_id] END LOOP
        PERFORM FROM users WHERE id = who FOR NO KEY UPDATE;
        UPDATE users SET has_two_factor = NOT has_two_factor WHERE id = who AND has_two_factor <> (
            EXISTS (SELECT FROM authenticators WHERE user_id = who)
            OR EXISTS (SELECT FROM passkeys WHERE user_id = who));
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER two_factor AFTER INSERT OR DELETE OR UPDATE OF user_id ON authenticators FOR EACH ROW
EXECUTE FUNCTION portal_keep_two_factor();
CREATE TRIGGER two_factor AFTER INSERT OR DELETE OR UPDATE OF user_id ON passkeys FOR EACH ROW
EXECUTE FUNCTION portal_keep_two_factor();

CREATE TABLE recovery_codes (
    user_id uuid NOT NULL,
    code text NOT NULL,
    CONSTRAINT recovery_codes_pkey PRIMARY KEY (user_id, code),
    CONSTRAINT recovery_codes_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
        ON UPDATE CASCADE ON DELETE CASCADE
);


-- Rate limits, and the demo's outbox

CREATE TABLE rate_limits (
    key bytea NOT NULL,
    free_at timestamptz NOT NULL,
    CONSTRAINT rate_limits_pkey PRIMARY KEY (key)
);
CREATE INDEX rate_limits_free_at_idx ON rate_limits (free_at);

CREATE TABLE outbox_emails (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL,
    recipient text NOT NULL,
    subject text NOT NULL,
    content text NOT NULL,
    link text,
    kept_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT outbox_emails_pkey PRIMARY KEY (id),
    CONSTRAINT outbox_emails_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
        ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX outbox_emails_user_id_idx ON outbox_emails (user_id);
CREATE INDEX outbox_emails_kept_at_idx ON outbox_emails (kept_at);
