-- What the generated columns search_text are computed with. It stays a function in SQL: a session that calls it while
-- its language changes would read the new text in the old language.
CREATE OR REPLACE FUNCTION portal_fold(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN public.portal_fold_text(value);
