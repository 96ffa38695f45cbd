-- The words of a folded text for which misspelled ones can be exchanged: no numbers, no signs, nothing very short.
CREATE OR REPLACE FUNCTION portal_words(value text) RETURNS SETOF text LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 6 AS $$
    SELECT word FROM string_to_table(replace(value, 'ᐖ', ''), ' ') word
    WHERE char_length(word) BETWEEN 3 AND 40 AND word !~ '[0-9]';
$$;
