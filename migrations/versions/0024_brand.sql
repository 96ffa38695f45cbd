-- The product name, accent color and logo that a SUPER_ADMIN chose, in versions.

CREATE TABLE brands (
    version integer NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    actor_id uuid DEFAULT nullif(current_setting('portal.actor_id', true), '')::uuid,
    name text,
    accent text,
    logo bytea,
    logo_type text,
    CONSTRAINT brands_pkey PRIMARY KEY (version),
    CONSTRAINT brands_logo_check CHECK ((logo IS NULL) = (logo_type IS NULL) AND octet_length(logo) <= 200000)
);

-- Records in the history what differs between a new version of the brand and the one before.
CREATE FUNCTION portal_record_brand() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    image CONSTANT text := '%s, %s bytes, SHA-256 %s';
    former public.brands;
BEGIN
    SELECT * INTO former FROM brands WHERE version < NEW.version ORDER BY version DESC LIMIT 1;
    INSERT INTO activity (action, changes)
    SELECT 'brand', jsonb_object_agg(one.name, jsonb_build_array(one.before, one.after))
    FROM (VALUES
        ('name', former.name, NEW.name),
        ('accent', former.accent, NEW.accent),
        ('logo',
            CASE WHEN former.logo IS NOT NULL THEN format(image, former.logo_type, octet_length(former.logo),
                left(encode(sha256(former.logo), 'hex'), 12)) END,
            CASE WHEN NEW.logo IS NOT NULL THEN format(image, NEW.logo_type, octet_length(NEW.logo),
                left(encode(sha256(NEW.logo), 'hex'), 12)) END)
    ) AS one (name, before, after)
    WHERE one.before IS DISTINCT FROM one.after;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_record_brand FROM PUBLIC;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON brands
FOR EACH STATEMENT EXECUTE FUNCTION portal_append_only();
CREATE TRIGGER record AFTER INSERT ON brands FOR EACH ROW EXECUTE FUNCTION portal_record_brand();


ALTER TABLE brands ENABLE ROW LEVEL SECURITY;
CREATE POLICY reader ON brands FOR SELECT TO portal_reader USING (true);
GRANT SELECT ON brands TO portal_reader;
