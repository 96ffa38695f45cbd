"""Print the tables of portal_plain: Unicode's simple case folding of letters that have no decomposition.

Run `python portal/sql/core/case_folding.py` when a new version of Unicode has more letters, and copy the output into
portal_plain.sql. lower() with the collation "C" folds ASCII, and NFKD decomposes letters with accents.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable, Iterator

# first-last/step+distance, in hexadecimal.
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
ARMENIAN = "531-556+30"
RARE = """
10a0-10c5+1c60 10c7+1c60 10cd+1c60 13f8-13fd-8 1c80-184e 1c81-184d 1c82-1844 1c83-1c84-1842 1c85-1843 1c86-183c
1c87-1824 1c88+89c3 1c90-1cba-bc0 1cbd-1cbf-bc0 1efa-1efe/2+1 2132+1c 2183+1 2c00-2c2f+30 2c80-2ce2/2+1 2ceb-2ced/2+1
2cf2+1 a640-a66c/2+1 a680-a69a/2+1 ab70-abbf-97d0 10400-10427+28 104b0-104d3+28 10570-10594/2+27 10571-10579/2+27
1057d-10589/2+27 1058d-10591/2+27 10595+27 10c80-10cb2+40 118a0-118bf+20 16e40-16e5f+20 1e900-1e921+22
"""
RUN = re.compile(r"(\w+)(?:-(\w+)(?=[/+-]))?(/2)?([+-]\w+)")

# Letters with a stroke or hook have no decomposition either. They match the letter without it.
STROKES = "ƀƃƈƌƒƙƚƞƥƫƭƴƶǥɓɖɗɛɨɫɲʂʈʉʋȼɇɉɍɏⱥⱦ", "bbcdfklnpttyzgbddeilnstuvcejryat"
PUNCTUATION = "‘’‚‛ʹʻʼʽ′“”„‟‐‒–—―−‹›⁄∕、。\u2028\u2029", "'" * 9 + '"' * 4 + "-" * 6 + "<>//,.  "


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


# Each table with the letters that decide whether a text needs it.
TABLES = (
    (r"\u02B9-\u02BD \u2010-\u2044 \u2212 \u2215 \u3001 \u3002", PUNCTUATION),
    (r"\u0370-\u03FF", table(GREEK)),
    (r"\u0402-\u042F", table(CYRILLIC)),
    (r"\u0460-\u052F", table(RARE_CYRILLIC)),
    (r"\u0531-\u0556", table(ARMENIAN)),
    (r"\u0180-\u02B8 \u2C60-\u2C7F \uA720-\uA7FF", table(LATIN, STROKES)),
    (
        r"\u10A0-\u13FD \u1C80-\u1CBF \u1EFA-\u1EFE \u2132 \u2183 \u2C00-\u2C2F \u2C80-\u2CF2 \uA640-\uA69A"
        r" \uAB70-\uABBF \U00010400-\U0001E921",
        table(RARE),
    ),
)


def literal(parts: Iterable[str]) -> str:
    """SQL joins strings that are on lines of their own."""
    quoted = "\n".join("'" + part.replace("'", "''") + "'" for part in parts)
    separators = quoted.replace("\u2028", r"\u2028").replace("\u2029", r"\u2029")  # many programs end a line at them
    return quoted if quoted == separators else f"E{separators}"


def statement(letters: str, upper: str, lower: str) -> str:
    pattern = literal(one.replace(" ", "") for one in textwrap.wrap(f"[{letters}]", 90))
    tables = ",\n".join(literal(one[at : at + 90] for at in range(0, len(one), 90)) for one in (upper, lower))
    return "\n".join(
        (
            f"    IF plain ~ {textwrap.indent(pattern, ' ' * 8).lstrip()} THEN",
            f"        plain := translate(plain,\n{textwrap.indent(tables, ' ' * 12)});",
            "    END IF;",
        )
    )


def statements() -> str:
    return "\n".join(statement(letters, *folded) for letters, folded in TABLES)


if __name__ == "__main__":
    sys.stdout.write(f"{statements()}\n")
