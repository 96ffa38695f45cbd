-- Records in the history what differs between a new version of the brand and the one before.
CREATE OR REPLACE FUNCTION portal_record_brand() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
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
