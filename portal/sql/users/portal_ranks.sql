-- The conditions of a ranked search: one for each rank, NULL for a rank that this search doesn't have, and one for all
-- of them. Each excludes those before it, and repeats nothing: the planner would take it for rarer.
CREATE OR REPLACE FUNCTION portal_ranks(words text[], addresses text[]) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    is_address CONSTANT boolean := cardinality(addresses) > 0;
    asked CONSTANT text := 'search_text LIKE %L';
    whole text;
    beginnings text;
    anywhere text;
    are_all boolean;
BEGIN
    SELECT string_agg(format(asked, beginning), ' AND '), string_agg(format(asked, pattern), ' AND '),
        bool_and(beginning = pattern)
    INTO beginnings, anywhere, are_all
    FROM (SELECT portal_search_pattern(word) AS pattern FROM unnest(words) word) patterns,
        LATERAL (SELECT '% ' || ltrim(pattern, '% ') AS beginning) made;
    IF is_address THEN
        whole := 'lower(email) = ANY ($9)';
        RETURN ARRAY[format('%s AND %s', whole, anywhere), NULL, format('%s AND NOT (%s)', beginnings, whole),
            CASE WHEN NOT are_all THEN format('%s AND NOT (%s) AND NOT (%s)', anywhere, beginnings, whole) END,
            anywhere];
    END IF;
    SELECT string_agg(
        format('sort_name COLLATE "C" >= %L AND sort_name COLLATE "C" < %L', key, key || E'\x02'), ' OR ')
    INTO whole
    FROM (SELECT DISTINCT split_part(
            portal_sort_key(array_to_string(words[n:] || words[:n - 1], ' ')), E'\x01', 1) AS key
        FROM generate_series(1, cardinality(words)) n) keys;
    RETURN ARRAY[NULL, format('(%s) AND %s', whole, anywhere), format('%s AND NOT (%s)', beginnings, whole),
        CASE WHEN NOT are_all THEN format('%s AND NOT (%s) AND NOT (%s)', anywhere, beginnings, whole) END,
            anywhere];
END $$;
