"""The project uses the words of its glossary, and none of the words they replaced."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from portal.config import ROOT

FOLDERS = ("portal", "templates", "static", "migrations", "tests", "bench", "docs")
SUFFIXES = {".py", ".sql", ".html", ".txt", ".js", ".css", ".md", ".toml", ".service", ".timer", ".env"}
LEFT_OUT = re.compile(r"/vendor/|requirements|_schema\.sql$|tests/architecture/test_words\.py$")

# Retired words, and what replaces each.
RETIRED = {
    r"letters?(?![a-z-])": "email",
    r"(?:every|all|each|living|own|ends? (?:a|the|every|all)) sign-ins?": "session",
    r"famil(?:y|ies)(?!-name)": "session",
    r"throttl\w*": "rate limit",
    r"h[eo]ld(?:s|ing)?[ _]back": "rate limit",
    r"walls?": "row-level security, scoping",
    r"proofs?|proven": "reauthentication",
    r"misfits?": "unconvertible",
    r"leftovers?": "retention",
    r"telling|tellers?": "activity",
    r"two-step|second[ _-]steps?|second_factor\w*": "two-factor authentication, second factor",
    r"e-mails?": "email",
    r"short[ _]names?": "slug",
    r"living": "active, not deleted",
    r"houses?": "organization",
    r"(?:an|the|one|any|each|every|this|that|same|newest) acts?(?! as\b)": "change, operation",
    r"way[ _](?:back|on)": "return_to",
}
WORD = re.compile("|".join(rf"(?P<w{n}>(?<![a-z]){one}(?![a-z]))" for n, one in enumerate(RETIRED)), re.I)

# Files where a word has another meaning: letters of an alphabet, bottles on a wall, the family of a font.
ELSEWHERE: dict[str, set[str]] = {
    r"letters?(?![a-z-])": {
        "CHANGELOG.md",
        "README.md",
        "migrations/versions/0001_people.sql",
        "portal/cli/checks.py",
        "portal/core/email_addresses.py",
        "portal/core/text.py",
        "portal/mfa/codes.py",
        "portal/organizations/forms.py",
        "portal/organizations/models.py",
        "portal/postgres/preflight.py",
        "portal/public_url.py",
        "portal/resources/resource.py",
        "portal/sql/core/case_folding.py",
        "portal/sql/core/portal_fold_term.sql",
        "portal/sql/core/portal_plain.sql",
        "portal/sql/core/portal_punycode.sql",
        "portal/sql/core/portal_search_pattern.sql",
        "portal/sql/core/portal_sort_key.sql",
        "portal/users/passwords.py",
        "portal/users/strength.py",
        "portal/web/forms.py",
        "portal/web/jinja.py",
        "static/js/portal.js",
        "tests/account/test_views.py",
        "tests/auth/test_promises.py",
        "tests/auth/test_views.py",
        "tests/browser/test_lists.py",
        "tests/core/test_email_addresses.py",
        "tests/core/test_listing.py",
        "tests/organizations/test_forms.py",
        "tests/organizations/test_models.py",
        "tests/postgres/test_preflight.py",
        "tests/test_public_url.py",
        "tests/users/test_forms.py",
        "tests/users/test_views.py",
    },
    r"famil(?:y|ies)(?!-name)": {
        "static/css/components.css",
    },
    r"walls?": {
        "tests/account/test_views.py",
        "tests/users/test_passwords.py",
    },
    r"e-mails?": {
        "tests/core/test_email_addresses.py",
        "tests/imports/test_files.py",
    },
}


def texts() -> Iterator[tuple[str, str]]:
    for path in sorted({*(one for folder in FOLDERS for one in (ROOT / folder).rglob("*")), *ROOT.glob("*.md")}):
        name = str(path.relative_to(ROOT))
        if path.suffix in SUFFIXES and path.is_file() and not LEFT_OUT.search(name):
            yield name, path.read_text(encoding="utf-8")


def retired(text: str) -> set[str]:
    """The words of RETIRED in a text, as their patterns."""
    patterns = list(RETIRED)
    return {patterns[int(found.lastgroup[1:])] for found in WORD.finditer(text) if found.lastgroup}


def found() -> dict[str, set[str]]:
    """Retired words by file, except where they have another meaning."""
    both = (
        (name, retired(text) - {word for word, names in ELSEWHERE.items() if name in names}) for name, text in texts()
    )
    return {name: words for name, words in both if words}


def test_no_file_contains_a_retired_word() -> None:
    assert {name: {word: RETIRED[word] for word in words} for name, words in found().items()} == {}


def test_every_exception_is_still_needed() -> None:
    assert {(word, name) for word, names in ELSEWHERE.items() for name in names} <= {
        (word, name) for name, text in texts() for word in retired(text)
    }


@pytest.mark.parametrize(
    "text", ["a letter is sent", "The second_step", "test_a_misfit_is_named", "behind_wall()", "one act of theirs"]
)
def test_a_retired_word_is_found_in_prose_and_in_names(text: str) -> None:
    assert retired(text)


@pytest.mark.parametrize("text", ["letterbox", "swallow", "react to it", "households", "He acts as the system"])
def test_other_words_are_not_found(text: str) -> None:
    assert not retired(text)
