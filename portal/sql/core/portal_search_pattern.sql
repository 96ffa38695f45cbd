-- The LIKE pattern for a word in search_text. The index can't look up one or two letters inside a word, so they match
-- only at the beginning of a word, except for @, which is in every address. A domain that is still being typed is
-- searched unchanged.
CREATE OR REPLACE FUNCTION portal_search_pattern(word text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN (
    SELECT CASE
        WHEN char_length(btrim(folded)) < 3 AND strpos(folded, 'ᐖ') = 0
        THEN '% ' || btrim(folded) || '%' ELSE '%' || folded || '%' END
    FROM public.portal_fold_term(
        CASE WHEN word ~* 'xn--[a-z0-9-]+\.' THEN public.portal_readable(word) ELSE word END) folded
);
