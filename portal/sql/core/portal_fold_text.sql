-- Folds text for searching. International domains match in both forms. Names in scripts that write them with or without
-- a space match without it, in any order.
CREATE OR REPLACE FUNCTION portal_fold_text(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    whole text := value;
    words text[];
BEGIN
    IF strpos(lower(value COLLATE "C"), 'xn--') > 0 THEN
        SELECT value || coalesce(string_agg(' ' || public.portal_readable(word), ''), '') INTO whole
        FROM unnest(string_to_array(value, ' ')) word WHERE public.portal_readable(word) <> word;
    END IF;
    IF octet_length(value) > char_length(value) THEN
        words := regexp_split_to_array(btrim(substring(
            normalize(value, NFKC) COLLATE "C" from
            '(?:^|\s)((?:[\u0590-\u1400\u1680-\u1DFF\u2E80-\u2FFF\u3005-\uD7FF\uF900-\uFDFF\uFE70-\uFEFF'
            '\U00010000-\U0003FFFF]+(?:\s+|$)){2,4})')), '\s+');
        FOR one IN 1..coalesce(array_length(words, 1), 0) LOOP
            whole := whole || ' ' || array_to_string(words[one:] || words[:one - 1], '');
        END LOOP;
    END IF;
    RETURN public.portal_fold_term(whole);
END $$;
