-- People without a name are listed by email address, after everyone who has a name.
CREATE OR REPLACE FUNCTION portal_sort_name(last_name text, first_name text, email text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    key CONSTANT text := public.portal_sort_key(concat_ws(' ', nullif(last_name, ''), nullif(first_name, '')));
BEGIN
    RETURN CASE WHEN key = '' THEN chr(1114111) || public.portal_sort_key(email) ELSE key END;
END $$;
