-- Converts international domains anywhere in a text to their readable form.
CREATE OR REPLACE FUNCTION portal_readable(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    readable text COLLATE "C" := lower(value COLLATE "C");
    label text;
BEGIN
    IF strpos(readable, 'xn--') = 0 THEN
        RETURN value;
    END IF;
    FOR label IN SELECT DISTINCT hit[1] FROM regexp_matches(readable, 'xn--([a-z0-9-]{1,59})', 'g') hit LOOP
        readable := replace(readable, 'xn--' || label, coalesce(public.portal_punycode(label), 'xn--' || label));
    END LOOP;
    RETURN readable;
END $$;
