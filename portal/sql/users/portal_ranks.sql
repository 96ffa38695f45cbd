-- The conditions of a search: `whole` is an exact match (rank 1 for an email address, rank 2 for a name with its words
-- in any order), `beginning` requires each word at the beginning of a word, and `anywhere` in any place. They can't use
-- the trigram index, so `parts` are patterns for it. An email address has one part before and one after the @, because
-- the former is rare even if everybody shares the latter.
CREATE OR REPLACE FUNCTION portal_ranks(
    words text[], addresses text[],
    OUT whole text, OUT whole_rank integer, OUT beginning text, OUT anywhere text, OUT parts text[])
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    matching CONSTANT text := 'search_text || '''' LIKE ALL (%L::text[])';
    patterns text[];
    beginnings text[];
    pattern text;
    key text;
    at integer;
BEGIN
    FOR n IN 1..cardinality(words) LOOP
        pattern := portal_search_pattern(words[n]);
        at := strpos(pattern, 'ᐖ ');
        patterns := patterns || pattern;
        beginnings := beginnings || ('% ' || ltrim(pattern, '% '));
        parts := parts || CASE WHEN at > 4 AND char_length(pattern) > at + 4
            THEN ARRAY[left(pattern, at) || '%', '%' || substr(pattern, at + 1)] ELSE ARRAY[pattern] END;
        key := split_part(portal_sort_key(array_to_string(words[n:] || words[:n - 1], ' ')), E'\x01', 1);
        whole := concat_ws(' OR ', whole,
            format('sort_name COLLATE "C" >= %L AND sort_name COLLATE "C" < %L', key, key || E'\x02'));
    END LOOP;
    anywhere := format(matching, patterns);
    beginning := format(matching, beginnings);
    whole_rank := 2;
    IF cardinality(addresses) > 0 THEN
        whole_rank := 1;
        whole := format('lower(email) = ANY (%L::text[])', addresses);
    END IF;
    whole := '(' || whole || ')';
END $$;
