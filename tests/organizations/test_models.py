"""The server and the page's script derive the same slug from a name."""

from __future__ import annotations

import re

import pytest

from portal.config import ROOT
from portal.organizations.models import LETTERS, LONGEST_SLUG, slug_of

SLUGS = {
    "Łódź": "lodz", "Straße": "strasse", "Søren": "soren", "STRAẞE": "strasse", "Œuvre Æon": "oeuvre-aeon",
    "Þór Ðuro Đorđe": "thor-duro-dorde", "İstanbul Işık": "istanbul-isik", "Ǿre ǽ": "ore-ae", "Ħal Ŧ ŋ": "hal-t-n",
    "Møller & Söhne": "moller-sohne", "O’Brien": "o-brien", "ﬁne ½ ①": "fine-1-2-1", "ＡＢＣ　１２３": "abc-123",
    "K Å": "k-a", "foo日本bar": "foo-bar", "  --Acme--  ": "acme",
    "An\u200bna \u202eLee": "anna-lee", "a\u3164b\u2800c\ufeff": "abc",
    "日本": "", "Σίσυφος": "", "☎ 24/7": "24-7", "e\u0301te\u0301": "ete", "Nº 5™": "no-5tm", "x" * 80: "x" * 63,
    "a" * 62 + " b": "a" * 62,
}  # fmt: skip


@pytest.mark.parametrize(("name", "slug"), SLUGS.items())
def test_a_slug_is_derived_from_a_name_without_accents(name: str, slug: str) -> None:
    assert slug_of(name) == slug


def test_the_pages_script_has_the_same_table_of_letters() -> None:
    script = (ROOT / "static" / "js" / "portal.js").read_text(encoding="utf-8")
    (table,) = re.findall(r"const letters = {(.*)};", script)

    assert dict(re.findall(r"(\w): '(\w+)'", table)) == LETTERS
    assert f"[{''.join(LETTERS)}]" in script
    assert f"slice(0, {LONGEST_SLUG})" in script


def test_a_very_long_name_is_processed_quickly() -> None:
    assert slug_of("a\u0301\u0327" * 200_000) == "a" * LONGEST_SLUG
