"""Search folds text by Unicode's rules, the same in every database.

Nothing here asks the database for its locale: neither lower(), nor a collation, nor the dictionary of unaccent, which
differ between servers and their releases. What is stored stays right when a server is updated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from alembic import op

from portal.core.online import committing, rewrite

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# Trigrams are made of letters and digits alone, so a search for other signs would have nothing to look up: each sign
# stands as a word of its own, written as a letter that nobody uses. ASCII signs stay apart, all others are one. Only @
# ends the word before it: few addresses end in "da@", while many hold a word that ends in "da" and, somewhere, an @.
SIGNS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
LETTERS = "".join(chr(0x1401 + number) for number in range(len(SIGNS) + 1))  # Canadian syllabics
FREQUENT = "@.-_'"
OTHER_SIGNS = (
    r"\u00A1-\u00A9\u00AB-\u00B1\u00B4\u00B6-\u00B8\u00BB\u00BF\u00D7\u00F7\u02C2-\u02C5\u02D2-\u02DF\u02E5-\u02EB\u02ED"
    r"\u02EF-\u02FF\u0375\u037E\u0384\u0385\u0387\u03F6\u0482\u055A-\u055F\u0589\u058A\u058D-\u058F\u05BE\u05C0\u05C3\u05C6"
    r"\u05F3\u05F4\u0600-\u060F\u061B-\u061F\u066A-\u066D\u06D4\u06DD\u06DE\u06E9\u06FD\u06FE\u0700-\u070F\u0964\u0965\u0E3F"
    r"\u0E4F\u0E5A\u0E5B\u104A-\u104F\u10FB\u1360-\u1368\u17D4-\u17D6\u2010-\u2027\u2030-\u205E\u207A-\u207E\u208A-\u208E"
    r"\u20A0-\u20CF\u2100\u2101\u2103-\u2106\u2108\u2109\u2114\u2116-\u2118\u211E-\u2123\u2125\u2127\u2129\u212E\u213A\u213B"
    r"\u2140-\u2144\u214A-\u214D\u214F\u2190-\u2BFF\u2CE5-\u2CEA\u2CF9-\u2CFF\u2E00-\u2E99\u2E9B-\u2FFF\u3001-\u3004"
    r"\u3008-\u3020\u3030\u3036\u3037\u303D-\u303F\u309B\u309C\u30A0\u30FB\uFD3E\uFD3F\uFE10-\uFE6F\uFF01-\uFF0F\uFFE0-\uFFEE"
    r"\U0001D000-\U0001D3FF\U0001F000-\U0001FAFF"
)
# Accents, points of Hebrew and Arabic; not the marks of other scripts, which make other letters of letters.
MARKS = (
    r"\u0300-\u036F\u0483-\u0489\u0591-\u05BD\u05BF\u05C1\u05C2\u05C4\u05C5\u05C7\u0610-\u061A\u064B-\u065F\u0670"
    r"\u06D6-\u06DC\u06DF-\u06E4\u06E7\u06E8\u06EA-\u06ED\u0711\u0730-\u074A\u08CA-\u08E1\u08E3-\u08FF\u1AB0-\u1AFF"
    r"\u1DC0-\u1DFF\u20D0-\u20FF\uFB1E\uFE20-\uFE2F"
)
UNSEEN = (  # soft hyphen, tatweel, joiners, marks of direction, variation selectors
    r"\u00AD\u0640\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E\u2060-\u206F\u2800\u3164\uFE00-\uFE0F"
    r"\uFEFF\uFFA0\uFFF0-\uFFFC\U0001BCA0-\U0001BCA3\U0001D173-\U0001D17A\U000E0000-\U000E0FFF"
)
# Letters of scripts in which names are written with or without a space, as it comes.
UNSPACED = r"\u0590-\u1400\u1680-\u1DFF\u2E80-\u2FFF\u3005-\uD7FF\uF900-\uFDFF\uFE70-\uFEFF\U00010000-\U0003FFFF"

# Unicode's simple case folding of what has no decomposition: first-last/step+distance, in hexadecimal.
LATIN = """
181+d2 182-184/2+1 186+ce 187+1 189-18a+cd 18b+1 18e+4f 18f+ca 190+cb 191+1 193+cd 194+cf 196+d3 197+d1 198+1 19c+d3
19d+d5 19f+d6 1a2-1a4/2+1 1a6+da 1a7+1 1a9+da 1ac+1 1ae+da 1b1-1b2+d9 1b3-1b5/2+1 1b7+db 1b8+1 1bc+1 1e4+1 1f6-61
1f7-38 21c+1 220-82 222-224/2+1 23a+2a2b 23b+1 23d-a3 23e+2a28 241+1 243-c3 244+45 245+47 246-24e/2+1 2c60+1 2c62-29f7
2c63-ee6 2c64-29e7 2c67-2c6b/2+1 2c6d-2a1c 2c6e-29fd 2c6f-2a1f 2c70-2a1e 2c72+1 2c75+1 2c7e-2c7f-2a3f a722-a72e/2+1
a732-a76e/2+1 a779-a77b/2+1 a77d-8a04 a77e-a786/2+1 a78b+1 a78d-a528 a790-a792/2+1 a796-a7a8/2+1 a7aa-a544 a7ab-a54f
a7ac-a54b a7ad-a541 a7ae-a544 a7b0-a512 a7b1-a52a a7b2-a515 a7b3+3a0 a7b4-a7c2/2+1 a7c4-30 a7c5-a543 a7c6-8a38
a7c7-a7c9/2+1 a7d0+1 a7d6-a7d8/2+1 a7f5+1
"""
GREEK = "370-372/2+1 376+1 37f+74 391-3a1+20 3a3-3a9+20 3c2+1 3cf+8 3d8-3ee/2+1 3f7+1 3fa+1 3fd-3ff-82"
CYRILLIC = "402-40f+50 410-42f+20"
RARE_CYRILLIC = "460-480/2+1 48a-4be/2+1 4c0+f 4c3-4cd/2+1 4d4+1 4d8+1 4e0+1 4e8+1 4f6+1 4fa-52e/2+1"
RARE = """
10a0-10c5+1c60 10c7+1c60 10cd+1c60 13f8-13fd-8 1c80-184e 1c81-184d 1c82-1844 1c83-1c84-1842 1c85-1843 1c86-183c
1c87-1824 1c88+89c3 1c90-1cba-bc0 1cbd-1cbf-bc0 1efa-1efe/2+1 2132+1c 2183+1 2c00-2c2f+30 2c80-2ce2/2+1 2ceb-2ced/2+1
2cf2+1 a640-a66c/2+1 a680-a69a/2+1 ab70-abbf-97d0 10400-10427+28 104b0-104d3+28 10570-10594/2+27 10571-10579/2+27
1057d-10589/2+27 1058d-10591/2+27 10595+27 10c80-10cb2+40 118a0-118bf+20 16e40-16e5f+20 1e900-1e921+22
"""
RUN = re.compile(r"(\w+)(?:-(\w+)(?=[/+-]))?(/2)?([+-]\w+)")


def pairs(runs: str) -> Iterator[tuple[str, str]]:
    for run in re.finditer(RUN, runs):
        first, last, step, distance = run.groups()
        for code in range(int(first, 16), int(last or first, 16) + 1, 2 if step else 1):
            yield chr(code), chr(code + int(distance, 16))


def table(runs: str, more: tuple[str, str] = ("", "")) -> tuple[str, str]:
    """Two strings for translate(); what one letter becomes may become another."""
    further = dict(zip(*more, strict=True))
    upper = [(one, further.get(other, other)) for one, other in pairs(runs)]
    both = [*upper, *((one, other) for one, other in further.items() if one not in dict(upper))]
    return "".join(one for one, _ in both), "".join(other for _, other in both)


# What is asked first whether there is any of it: translate() looks at every letter of a text for each of its own.
STROKES = "ƀƃƈƌƒƙƚƞƥƫƭƴƶǥɓɖɗɛɨɫɲʂʈʉʋȼɇɉɍɏⱥⱦ", "bbcdfklnpttyzgbddeilnstuvcejryat"
PUNCTUATION = "‘’‚‛ʹʻʼʽ′“”„‟‐‒–—―−‹›⁄∕、。\u2028\u2029", "'" * 9 + '"' * 4 + "-" * 6 + "<>//,.  "
GROUPS = (
    (r"\u02B9-\u02BD\u2010-\u2044\u2212\u2215\u3001\u3002", PUNCTUATION),
    (r"\u0370-\u03FF", table(GREEK)),
    (r"\u0402-\u042F", table(CYRILLIC)),
    (r"\u0460-\u052F", table(RARE_CYRILLIC)),
    (r"\u0531-\u0556", table("531-556+30")),
    (r"\u0180-\u02B8\u2C60-\u2C7F\uA720-\uA7FF", table(LATIN, STROKES)),
    (
        r"\u10A0-\u13FD\u1C80-\u1CBF\u1EFA-\u1EFE\u2132\u2183\u2C00-\u2C2F\u2C80-\u2CF2\uA640-\uA69A\uAB70-\uABBF"
        r"\U00010400-\U0001E921",
        table(RARE),
    ),
)


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def grouped(name: str) -> str:
    return "\n".join(
        f"    IF {name} ~ '[{shown}]' THEN {name} := translate({name}, {literal(upper)}, {literal(lower)}); END IF;"
        for shown, (upper, lower) in GROUPS
    )


# Unicode's case folding and compatibility, without accents and without what can't be seen.
PLAIN = f"""
CREATE OR REPLACE FUNCTION portal_plain(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    plain text COLLATE "C" := lower(value COLLATE "C");
BEGIN
    IF octet_length(plain) = char_length(plain) THEN
        RETURN plain;
    END IF;
    plain := regexp_replace(lower(normalize(plain, NFKD)), '[{MARKS}{UNSEEN}]+', '', 'g');
    IF octet_length(plain) = char_length(plain) THEN
        RETURN plain;
    END IF;
    plain := translate(plain, 'ÆŒÞẞÐðØøĐđŁłĦħŊŋŦŧıĸ', 'æœþßddooddllhhnnttiq');
    plain := replace(replace(replace(replace(plain, 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'), 'ß', 'ss');
    IF octet_length(plain) = char_length(plain) THEN
        RETURN plain;
    END IF;
{grouped("plain")}
    RETURN plain;
END $$
"""

# RFC 3492, NULL for what is none of it.
PUNYCODE = """
CREATE OR REPLACE FUNCTION portal_punycode(code text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    basic CONSTANT integer := length(code) - strpos(reverse(code), '-');
    decoded text := CASE WHEN strpos(code, '-') > 0 THEN left(code, basic) ELSE '' END;
    next integer := CASE WHEN strpos(code, '-') > 0 THEN basic + 2 ELSE 1 END;
    letter bigint := 128;
    place bigint := 0;
    former bigint;
    weight bigint;
    bias bigint := 72;
    step bigint;
    threshold bigint;
    digit integer;
BEGIN
    WHILE next <= length(code) LOOP
        former := place;
        weight := 1;
        step := 36;
        LOOP
            digit := strpos('abcdefghijklmnopqrstuvwxyz0123456789', substr(code, next, 1)) - 1;
            IF next > length(code) OR digit < 0 OR weight > 1e12 THEN
                RETURN NULL;
            END IF;
            next := next + 1;
            place := place + digit * weight;
            threshold := least(greatest(step - bias, 1), 26);
            EXIT WHEN digit < threshold;
            weight := weight * (36 - threshold);
            step := step + 36;
        END LOOP;
        bias := (place - former) / CASE WHEN former = 0 THEN 700 ELSE 2 END;
        bias := bias + bias / (length(decoded) + 1);
        step := 0;
        WHILE bias > 455 LOOP
            bias := bias / 35;
            step := step + 36;
        END LOOP;
        bias := step + 36 * bias / (bias + 38);
        letter := letter + place / (length(decoded) + 1);
        place := place % (length(decoded) + 1);
        IF letter > 1114111 OR letter BETWEEN 55296 AND 57343 THEN
            RETURN NULL;
        END IF;
        decoded := left(decoded, place::integer) || chr(letter::integer) || substr(decoded, place::integer + 1);
        place := place + 1;
    END LOOP;
    RETURN decoded;
END $$
"""

# International domains, wherever they stand, as people write them.
READABLE = """
CREATE OR REPLACE FUNCTION portal_readable(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    readable text COLLATE "C" := lower(value COLLATE "C");
    label text;
BEGIN
    IF strpos(readable, 'xn--') = 0 THEN
        RETURN value;
    END IF;
    FOR label IN SELECT DISTINCT hit[1] FROM regexp_matches(readable, 'xn--([a-z0-9-]{1,59})', 'g') hit LOOP
        readable := replace(readable, 'xn--' || label, coalesce(public.portal_punycode(label), 'xn--' || label));
    END LOOP;
    RETURN readable;
END $$
"""

# Signs are replaced one by one while they are few: translate() is slow.
REPLACED = "folded"
for _sign in FREQUENT:
    _before = "" if _sign == "@" else " "
    REPLACED = f"replace({REPLACED}, {literal(_sign)}, '{_before}{LETTERS[SIGNS.index(_sign)]} ')"
SELDOM = "".join(sign for sign in SIGNS if sign not in FREQUENT)
SELDOM_LETTERS = "".join(LETTERS[SIGNS.index(sign)] for sign in SELDOM)
FOLD_TERM = rf"""
CREATE OR REPLACE FUNCTION portal_fold_term(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
    folded text COLLATE "C" := public.portal_plain(value);
BEGIN
    IF octet_length(folded) > char_length(folded) THEN
        folded := regexp_replace(normalize(folded, NFC), '[{OTHER_SIGNS}]', ' {LETTERS[-1]} ', 'g');
    END IF;
    folded := {REPLACED};
    IF folded ~ '[][!"#$%&()*+,/:;<=>?\\^`{{|}}~]' THEN
        folded := regexp_replace(translate(folded, {literal(SELDOM)}, '{SELDOM_LETTERS}'),
            '([{SELDOM_LETTERS}])', ' \1 ', 'g');
    END IF;
    RETURN folded;
END $$
"""

# An international domain is found in both its forms, and names without a space between them, in whichever order.
FOLD_TEXT = rf"""
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
            normalize(value, NFKC) COLLATE "C" from '(?:^|\s)((?:[{UNSPACED}]+(?:\s+|$)){{2,4}})')), '\s+');
        FOR one IN 1..coalesce(array_length(words, 1), 0) LOOP
            whole := whole || ' ' || array_to_string(words[one:] || words[:one - 1], '');
        END LOOP;
    END IF;
    RETURN public.portal_fold_term(whole);
END $$
"""  # noqa: S608 -- of constants

# It stays a function of SQL: a session that calls it while its language changes reads the new text in the old language.
FOLD = """
CREATE OR REPLACE FUNCTION portal_fold(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN public.portal_fold_text(value)
"""

# One or two letters anywhere in a text would be looked up in vain too; at the beginning of a word they are found. An @
# is in every address.
# A domain that is being typed is looked for as it stands.
SEARCH_PATTERN = rf"""
CREATE OR REPLACE FUNCTION portal_search_pattern(word text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN (
    SELECT CASE
        WHEN char_length(btrim(folded)) < 3 AND strpos(folded, '{LETTERS[SIGNS.index("@")]}') = 0
        THEN '% ' || btrim(folded) || '%' ELSE '%' || folded || '%' END
    FROM public.portal_fold_term(
        CASE WHEN word ~* 'xn--[a-z0-9-]+\.' THEN public.portal_readable(word) ELSE word END) folded
)
"""  # noqa: S608 -- of constants

# A row that is only written anew, with the same values, is neither newer nor changed. Not for tenants.
STAMP = """
CREATE OR REPLACE FUNCTION portal_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE actor uuid := nullif(current_setting('portal.actor_id', true), '')::uuid;
BEGIN
{is_rewritten}    NEW.updated_at := clock_timestamp();
    IF TG_OP = 'INSERT' THEN
        NEW.version := 1;
        NEW.created_by := coalesce(actor, NEW.created_by);
        NEW.updated_by := coalesce(actor, NEW.updated_by, NEW.created_by);
        NEW.deleted_by := CASE WHEN NEW.deleted_at IS NOT NULL THEN coalesce(actor, NEW.deleted_by) END;
        RETURN NEW;
    END IF;
    NEW.version := OLD.version + 1;
    NEW.created_at := OLD.created_at;
    NEW.created_by := OLD.created_by;
    NEW.updated_by := coalesce(actor, nullif(NEW.updated_by, OLD.updated_by));
    NEW.deleted_by := CASE
        WHEN NEW.deleted_at IS NULL THEN NULL
        WHEN OLD.deleted_at IS NULL THEN coalesce(actor, NEW.updated_by)
        ELSE OLD.deleted_by END;
    RETURN NEW;
END $$
"""
IS_REWRITTEN = """
    IF TG_OP = 'UPDATE' AND current_setting('portal.rewriting', true) = 'on' AND current_user <> 'portal_tenant' THEN
        RETURN NEW;
    END IF;
""".lstrip("\n")
SEARCH_TEXTS = {
    "users": "' ' || portal_fold(coalesce(first_name, '') || ' ' || coalesce(last_name, '') || ' ' || email)",
    "organizations": "' ' || portal_fold(name || ' ' || slug)",
}
NAMES = {"users": ("first_name", "last_name", "email"), "organizations": ("name", "slug")}

FORMER_FOLD = f"""
CREATE OR REPLACE FUNCTION portal_fold(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN regexp_replace(
    regexp_replace(
        translate(lower(unaccent('unaccent'::regdictionary, value)), {literal(SIGNS)}, '{LETTERS[:-1]}'),
        '[^[:alnum:][:space:]]', '{LETTERS[-1]}', 'g'),
    '([{LETTERS}])', ' \\1 ', 'g')
"""
FORMER_SEARCH_PATTERN = """
CREATE OR REPLACE FUNCTION portal_search_pattern(word text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN CASE WHEN char_length(btrim(portal_fold(word))) < 3 THEN '% ' || btrim(portal_fold(word)) || '%'
    ELSE '%' || portal_fold(word) || '%' END
"""


def upgrade() -> None:
    """Generated columns are computed when a row is written: rows that fold to another text now are rewritten."""
    with committing():
        op.execute(STAMP.format(is_rewritten=IS_REWRITTEN))
        for statement in (PLAIN, PUNYCODE, READABLE, FOLD_TERM, FOLD_TEXT, FOLD, SEARCH_PATTERN):
            op.get_bind().exec_driver_sql(statement.replace("%", "%%"))
    fold_anew()


def downgrade() -> None:
    with committing():
        for statement in (FORMER_FOLD, FORMER_SEARCH_PATTERN):
            op.execute(statement)
    fold_anew()
    op.execute(STAMP.format(is_rewritten=""))
    op.execute(
        "DROP FUNCTION portal_fold_text(text), portal_fold_term(text), portal_readable(text), portal_punycode(text),"
        " portal_plain(text)"
    )


def fold_anew() -> None:
    for table, folded in SEARCH_TEXTS.items():
        same = ", ".join(f"{name} = {name}" for name in NAMES[table])
        rewrite(table, f"UPDATE {table} SET {same} WHERE {{rows}} AND search_text <> {folded}")  # noqa: S608
