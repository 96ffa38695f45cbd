-- Computes the generated columns search_text. It must stay a function in SQL: a session that calls it while the
-- language changes would run the new text in the old language.
CREATE OR REPLACE FUNCTION portal_fold(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN public.portal_fold_text(value);
