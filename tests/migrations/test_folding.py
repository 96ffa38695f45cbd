"""Search matches equivalent spellings, and sorting follows Unicode, in every locale of the database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.database import PREFIX, Server, connect

Connection = psycopg.Connection[tuple[Any, ...]]
LOCALES = {"bytes": "LOCALE 'C'", "turkish": "LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'tr'"}
HAS_ICU = "SELECT EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu')"

# Stored text, and words that find it.
FOUND = {
    "Σίσυφος": ("ΣΊΣΥΦΟΣ", "σισυφοσ", "Σισυφος"),
    "İstanbul": ("istanbul", "ISTANBUL", "ıstanbul"),
    "ISPARTA": ("isparta", "ısparta", "İsparta"),
    "Straße": ("STRASSE", "strasse", "STRAẞE"),
    "ﬁnance": ("finance", "FINANCE"),
    "Łódź": ("lodz", "ŁÓDŹ"),
    "Ærøskøbing": ("aeroskobing", "ÆRØ"),
    "ガンダム": ("ｶﾞﾝﾀﾞﾑ",),
    "ｶﾞﾝﾀﾞﾑ": ("ガンダム",),
    "Ａｄａ": ("ada",),
    "שָׁלוֹם": ("שלום",),
    "שלום": ("שָׁלוֹם",),
    "مُحَمَّد": ("محمد",),
    "محمـــد": ("محمد",),
    "می\u200cخواهم": ("میخواهم", "می\u200cخواهم"),
    "co\u00adop": ("coop",),
    "Алексей": ("АЛЕКСЕЙ", "алексеи"),
    "ԱՐԱՄ": ("արամ",),
    "ᲒᲘᲐ": ("გია",),
    "O’Brien": ("o'brien", "O'BRIEN"),
    "Jean–Luc": ("jean-luc",),
    "太郎 山田": ("山田太郎", "太郎山田", "山田"),
    "철수 김": ("김철수",),
    "ada@xn--mnchen-3ya.de": ("ada@münchen.de", "MÜNCHEN.de", "ada@xn--mnchen-3ya.de", "xn--mnchen"),
    "ada@münchen.de": ("ada@xn--mnchen-3ya.de", "munchen"),
    "ada@xn--r8jz45g.xn--zckzah": ("例え", "ada@例え.テスト"),
    "100%_\\": ("100%", "_", "\\"),
    "ada@example.com": ("@", "a@", "da@", "@e", "@example", "a@example", "ada@example.com"),
    "Fish @ Chips": ("@", "fish"),
}
NOT_FOUND = {"ガンダム": ("カンダム",), "山田": ("山川",), "a@xn--.de": ("b", "@d", "n@"), "xn--a-ecp.ru": ("zz",)}

# In the order of Unicode's root collation, as in ICU.
IN_ORDER = [
    "_x", "(unknown)", "@handle", "10 Downing", "9lives", "Abel", "Aberg", "Åberg", "Aero", "Ærø", "Afd", "Ägren",
    "Azur",
    "Celik", "Çelik", "Cz", "Đorđe", "Dzan", "Eda", "Ispart", "İstanbul", "Iz", "Lodz", "Łódź", "Lz", "Mary Ann",
    "Mary-Ann", "Maryann", "Mueller", "Muller", "Müller", "Mullet", "Nandu", "Ñandú", "Nyx", "Nz", "Ŋame", "O Brien",
    "O'Brien", "O’Brien", "Obrien", "Olsen", "Ölund", "Øye", "Oz", "Smith Jones", "Smith-Jones", "Smithe", "St John",
    "St. John", "Stjohn", "Strasse", "Straße", "Strasz", "Zeta", "Zoë", "Zorro", "Þór", "ἄλφα", "Σισυφος", "Σίσυφος",
    "Алексей", "Егоров", "Елкин", "Ёлкин", "Ещин", "Жуков", "Հայ", "אבא", "محمد", "ไทย", "김", "김철수", "이", "かんだ",
    "がんだ", "ガンダム", "やまだ", "ヤマダ", "太郎", "山田",
]  # fmt: skip
FUNCTIONS = """
SELECT pg_get_functiondef(p.oid) FROM pg_proc p JOIN pg_language l ON l.oid = prolang
WHERE proname ~ '^portal_(fold|plain|punycode|readable|search_pattern|sort_key)' ORDER BY lanname, proname
"""


@pytest.fixture(scope="module")
def databases(database_server: Server, template_database: str) -> Iterator[dict[str, Connection]]:
    """A database with the server's locale, and others with as many locales as it supports."""
    opened = {"usual": connect(database_server.create("usual", template=template_database))}
    (has_icu,) = opened["usual"].execute(HAS_ICU).fetchone() or (False,)
    functions = opened["usual"].execute(FUNCTIONS).fetchall()
    for name, locale in LOCALES.items():
        if name != "turkish" or has_icu:
            database_server.execute(f'CREATE DATABASE "{PREFIX}{name}" TEMPLATE template0 {locale}')
            opened[name] = connect(database_server.address(name, as_owner=False))
            for (definition,) in functions:
                opened[name].execute(definition.encode())
    yield opened
    for name, connection in opened.items():
        connection.close()
        database_server.drop(name)


def is_found(connection: Connection, stored: str, word: str) -> bool:
    statement = "SELECT ' ' || portal_fold(%s) LIKE portal_search_pattern(%s)"
    return bool((connection.execute(statement, (stored, word)).fetchone() or (None,))[0])


def test_words_match_by_case_folding_and_compatibility_in_every_locale(
    databases: dict[str, Connection],
) -> None:
    for name, connection in databases.items():
        for stored, words in FOUND.items():
            for word in words:
                assert is_found(connection, stored, word), (name, stored, word)
        for stored, words in NOT_FOUND.items():
            for word in words:
                assert not is_found(connection, stored, word), (name, stored, word)


def test_names_sort_by_the_root_collation_in_every_locale(databases: dict[str, Connection]) -> None:
    statement = 'SELECT name FROM unnest(%s::text[]) name ORDER BY portal_sort_key(name) COLLATE "C", name COLLATE "C"'
    for name, connection in databases.items():
        assert [row[0] for row in connection.execute(statement, (IN_ORDER[::-1],))] == IN_ORDER, name


def test_folding_works_for_every_code_point_and_domain(databases: dict[str, Connection]) -> None:
    texts = [
        "".join(chr(code) for code in range(block, block + 512) if code and not 0xD800 <= code <= 0xDFFF)
        for block in (*range(0, 0x10000, 512), 0x1D400, 0x1F600, 0x20000, 0xE0000, 0x10FE00)
    ]
    folded = "SELECT bool_and(portal_fold(one) IS NOT NULL AND portal_sort_key(one) <> '') FROM unnest(%s::text[]) one"
    assert databases["usual"].execute(folded, ([text for text in texts if text],)).fetchone() == (True,)
    for label in (
        "xn--",
        "xn---",
        "xn--99999999",
        "xn--zzzzzzzzzzzzzzzzzzzzzzzz",
        "xn--a-",
        "xn--\u00fc",
        "XN--MNCHEN-3YA",
    ):
        assert databases["usual"].execute("SELECT portal_readable(%s)", (label,)).fetchone() is not None
