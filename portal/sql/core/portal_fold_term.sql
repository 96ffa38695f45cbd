-- Folds a search term. Trigrams consist of letters and digits only, so the index can't look up punctuation: each sign
-- becomes a word of its own, represented by an unused letter (Canadian syllabics). ASCII signs stay distinct, all
-- others share one letter. Only @ ends the word before it: few addresses end in "da@", while many contain a word that
-- ends in "da" and, somewhere, an @. Frequent signs are replaced one by one, because translate() is slow.
CREATE OR REPLACE FUNCTION portal_fold_term(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    folded text COLLATE "C" := public.portal_plain(value);
BEGIN
    IF octet_length(folded) > char_length(folded) THEN
        folded := regexp_replace(normalize(folded, NFC),
            '[\u00A1-\u00A9\u00AB-\u00B1\u00B4\u00B6-\u00B8\u00BB\u00BF\u00D7\u00F7\u02C2-\u02C5\u02D2-\u02DF'
            '\u02E5-\u02EB\u02ED\u02EF-\u02FF\u0375\u037E\u0384\u0385\u0387\u03F6\u0482\u055A-\u055F\u0589'
            '\u058A\u058D-\u058F\u05BE\u05C0\u05C3\u05C6\u05F3\u05F4\u0600-\u060F\u061B-\u061F\u066A-\u066D'
            '\u06D4\u06DD\u06DE\u06E9\u06FD\u06FE\u0700-\u070F\u0964\u0965\u0E3F\u0E4F\u0E5A\u0E5B'
            '\u104A-\u104F\u10FB\u1360-\u1368\u17D4-\u17D6\u2010-\u2027\u2030-\u205E\u207A-\u207E'
            '\u208A-\u208E\u20A0-\u20CF\u2100\u2101\u2103-\u2106\u2108\u2109\u2114\u2116-\u2118\u211E-\u2123'
            '\u2125\u2127\u2129\u212E\u213A\u213B\u2140-\u2144\u214A-\u214D\u214F\u2190-\u2BFF\u2CE5-\u2CEA'
            '\u2CF9-\u2CFF\u2E00-\u2E99\u2E9B-\u2FFF\u3001-\u3004\u3008-\u3020\u3030\u3036\u3037\u303D-\u303F'
            '\u309B\u309C\u30A0\u30FB\uFD3E\uFD3F\uFE10-\uFE6F\uFF01-\uFF0F\uFFE0-\uFFEE\U0001D000-\U0001D3FF'
            '\U0001F000-\U0001FAFF]', ' ᐡ ', 'g');
    END IF;
    folded := replace(replace(replace(folded, '@', 'ᐖ '), '.', ' ᐎ '), '-', ' ᐍ ');
    folded := replace(replace(folded, '_', ' ᐛ '), '''', ' ᐇ ');
    IF folded ~ '[][!"#$%&()*+,/:;<=>?\\^`{|}~]' THEN
        folded := regexp_replace(translate(folded, '!"#$%&()*+,/:;<=>?[\]^`{|}~', 'ᐁᐂᐃᐄᐅᐆᐈᐉᐊᐋᐌᐏᐐᐑᐒᐓᐔᐕᐗᐘᐙᐚᐜᐝᐞᐟᐠ'),
            '([ᐁᐂᐃᐄᐅᐆᐈᐉᐊᐋᐌᐏᐐᐑᐒᐓᐔᐕᐗᐘᐙᐚᐜᐝᐞᐟᐠ])', ' \1 ', 'g');
    END IF;
    RETURN folded;
END $$;
