-- A key that sorts names like Unicode's root collation, as closely as names need it. The server's collations can't be
-- used: PostgreSQL may lack them, and library updates would corrupt the indexes. Compare keys bytewise (COLLATE "C").
--
-- A key consists of the letters, a separator, and their accents. Punctuation sorts before digits, and digits before
-- letters. Three Latin letters sort as separate letters after others; wynn stands for "after z".
CREATE OR REPLACE FUNCTION portal_sort_key(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $body$
DECLARE
    bare text COLLATE "C" := btrim(value);
    key text COLLATE "C" := bare;
BEGIN
    IF octet_length(bare) > char_length(bare) THEN
        key := replace(replace(replace(translate(key, 'ÞŊƏ', 'þŋə'), 'þ', 'ƿ'), 'ŋ', 'nƿ'), 'ə', 'eƿ');
    END IF;
    key := public.portal_plain(key);
    IF octet_length(key) > char_length(key) THEN
        key := regexp_replace(regexp_replace(key, '[\u3099\u309A]', '', 'g'),
            '[\u00A1-\u00A9\u00AB-\u00B1\u00B4\u00B6-\u00B8\u00BB\u00BF\u00D7\u00F7\u02C2-\u02DF\u055A-\u055F'
            '\u0589\u058A\u05BE\u05C0\u05C3\u05C6\u05F3\u05F4\u060C\u061B-\u061F\u066A-\u066D\u06D4\u0964'
            '\u0965\u2010-\u205E\u20A0-\u20CF\u2190-\u2BFF\u2E00-\u2E7F\u3001-\u3003\u3008-\u3020\u3030\u30FB'
            '\U0001F000-\U0001FAFF]', '/', 'g');
        IF key ~ '[\u30A1-\u30F6]' THEN
            key := translate(key,
                'ァアィイゥウェエォオカガキギクグケゲコゴサザシジスズセゼソゾタダチヂッツヅテデトドナニヌネノハバパヒビピフブプヘベペホボポマミムメモャヤュユョヨラリルレロヮワヰヱヲンヴヵヶ',
                'ぁあぃいぅうぇえぉおかがきぎくぐけげこごさざしじすずせぜそぞただちぢっつづてでとどなにぬねのはばぱひびぴふぶぷへべぺほぼぽまみむめもゃやゅゆょよらりるれろゎわゐゑをんゔゕゖ');
        END IF;
    END IF;
    IF key ~ '[][!"#$%&''()*+,./:;<=>?@\\^_`{|}~-]' THEN
        key := translate(key, '_-,;:!?.''"()[]{}@*/\&#%`^+<=>|~$', '!"#$$%%&''()*++++,,--.../////////');
    END IF;
    IF octet_length(bare) > char_length(bare) THEN
        bare := lower(normalize(bare, NFKD) COLLATE "C");
        key := key || E'\x01' || regexp_replace(bare,
            '[^\u0300-\u036F\u0483-\u0489\u0591-\u05BD\u05BF\u05C1\u05C2\u05C4\u05C5\u05C7\u0610-\u061A'
            '\u064B-\u065F\u0670\u06D6-\u06DC\u06DF-\u06E4\u06E7\u06E8\u06EA-\u06ED]', '', 'g') || E'\x01' || bare;
    END IF;
    RETURN key;
END $body$;
