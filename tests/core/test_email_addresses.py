"""Email addresses as people paste them, as they are stored, and as pages show them."""

from __future__ import annotations

import pytest

from portal.core.email_addresses import (
    INTERNAL,
    INTERNATIONAL,
    LONGEST_PASTED,
    canonical_email,
    lookup_email,
    mailable_email,
    pasted_email,
    readable_email,
)

PASTED = [
    '  "Berg, Anne" <anne@example.com>; ', "mailto:anne@example.com?subject=x", "Anne <anne@example.com>",
    "\u00a0anne@example.com\u3000", "\u200banne@exam\u00adple.com\ufeff", "an\u200cne@example.com", "anne@example.com;",
    "anne@example.com,", "anne@example.com.", "<anne@example.com>", "anne@example.com<mailto:anne@example.com>",
    "MAILTO:anne@example.com", "＜ａｎｎｅ＠ｅｘａｍｐｌｅ．ｃｏｍ＞；", "'anne@example.com'", '"anne@example.com"',
    '"anne@elsewhere.example" <anne@example.com>', "anne@example.com (Anne Berg)", "Anne <anne@example.com",
    "<mailto:anne@example.com>", "\u202eanne@example.com\u202c", "E-mail: <anne@example.com>",
    "mailto:%61nne@example.com", "\tanne@example.com\r\n",
]  # fmt: skip


@pytest.mark.parametrize("text", PASTED)
def test_an_email_address_is_extracted_from_pasted_text(text: str) -> None:
    assert pasted_email(text) == "anne@example.com"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Anne\u200b  Berg.", "Anne Berg."),
        ("a@example.com, b@example.com", "a@example.com, b@example.com"),
        ('"A" <a@example.com>; "B" <b@example.com>', '"A" <a@example.com>; "B" <b@example.com>'),
        ("mailto:", "mailto:"),
        ("anne@", "anne@"),
        ("a < b", "a < b"),
        ("  ", ""),
        ("", ""),
    ],
)
def test_text_without_exactly_one_address_is_only_cleaned(text: str, cleaned: str) -> None:
    assert pasted_email(text) == cleaned


def test_text_that_is_too_long_is_not_parsed() -> None:
    text = " <a@example.com>" * LONGEST_PASTED

    assert pasted_email(text) == text


@pytest.mark.parametrize("text", PASTED)
def test_every_pasted_form_is_stored_and_looked_up_as_one_address(text: str) -> None:
    assert canonical_email(text) == lookup_email(text) == "anne@example.com"


def test_an_invalid_address_is_looked_up_in_lower_case() -> None:
    assert lookup_email(" Old.Style@corp ") == lookup_email("Anne <Old.Style@corp>;") == "old.style@corp"
    assert lookup_email(" Anne  Berg@Example.com") == "anne  berg@example.com"
    assert lookup_email("Ada@Müller.example") == "ada@xn--mller-kva.example"


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("a@xn--mller-kva.example", "a@müller.example"),
        ("a@XN--MLLER-KVA.example", "a@müller.example"),
        ("a@xn--strae-oqa.example", "a@straße.example"),
        ("a@xn--e1afmkfd.xn--p1ai", "a@пример.рф"),
        ("a@xn--e1afmkfd.com", "a@пример.com"),
        ("a@xn--fsqu00a.xn--0zwm56d", "a@例子.测试"),
        ("a@example.com", "a@example.com"),
        ("no address", "no address"),
    ],
)
def test_a_stored_address_is_shown_with_its_domain_in_unicode(stored: str, shown: str) -> None:
    assert readable_email(stored) == shown


@pytest.mark.parametrize(
    "stored",
    [
        "a@xn--pple-43d.com",  # Cyrillic a, then Latin letters
        "a@xn--80ak6aa92e.com",  # all Cyrillic, and shaped like a Latin name
        "a@xn--i-7iq.ws",  # a heart: IDNA 2008 excludes symbols
        "a@xn--zz.com",
        "a@xn--.com",
        "a@xn--mller-kva-.example",
        "a@" + "xn--mller-kva." * 60 + "example",
    ],
)
def test_a_domain_that_looks_like_another_is_shown_in_punycode(stored: str) -> None:
    assert readable_email(stored) == stored


def test_a_shown_address_finds_the_same_account() -> None:
    for stored in ("a@xn--mller-kva.example", "a@xn--strae-oqa.example", "a@xn--e1afmkfd.com", "a@xn--pple-43d.com"):
        assert lookup_email(readable_email(stored)) == stored


def test_scripts_cannot_be_mixed_within_a_label() -> None:
    assert canonical_email("a@пример.com") == "a@xn--e1afmkfd.com"
    with pytest.raises(ValueError, match="different scripts"):
        canonical_email("a@\u0430pple.com")


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Root@MailHost", "root@mailhost"), ("a@corp.local", "a@corp.local"), ("a@example.test", "a@example.test"),
        ("a@localhost", "a@localhost"), ("a@müller.local", "a@xn--mller-kva.local"), ("a@home.arpa", "a@home.arpa"),
        ("a@nowhere.invalid", "a@nowhere.invalid"), ("a@example.com", "a@example.com"),
    ],
)  # fmt: skip
def test_internal_domains_are_accepted_if_allowed(typed: str, kept: str) -> None:
    assert canonical_email(typed, [INTERNAL]) == lookup_email(typed) == kept


@pytest.mark.parametrize(
    "typed",
    ["a@corp.local", "a@example.test", "root@mailhost", "a@localhost", "josé@example.com"],
)  # fmt: skip
def test_internal_and_international_addresses_are_refused_by_default(typed: str) -> None:
    with pytest.raises(ValueError, match="Enter a valid email address"):
        canonical_email(typed)


@pytest.mark.parametrize(
    "typed",
    ["a@", "a@-x", "a@x-", "a@exa_mple", "a@1.2.3.4", "a@x..y", "a b@host", "a@ho st", "@host", "a@[127.0.0.1]",
     "a@" + "x" * 64, "josé@host"],
)  # fmt: skip
def test_an_invalid_host_name_is_not_an_internal_domain(typed: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        canonical_email(typed, [INTERNAL])


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("JOSÉ@example.com", "josé@example.com"), ("jose\u0301@example.com", "josé@example.com"),
        ("Анн\u0430@пример.рф", "\u0430нн\u0430@xn--e1afmkfd.xn--p1ai"),
        ("山田さん@example.jp", "山田さん@example.jp"), ("김@example.kr", "김@example.kr"),
        ("GROẞ@example.de", "groß@example.de"), ("\u0130brahim@example.com", "ibrahim@example.com"),
        ("y\u0131ld\u0131z@example.com", "y\u0131ld\u0131z@example.com"), ("ada@example.com", "ada@example.com"),
    ],
)  # fmt: skip
def test_an_international_local_part_is_normalized(typed: str, kept: str) -> None:
    assert canonical_email(typed, [INTERNATIONAL]) == lookup_email(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "\u0430da@example.com", "ad\u0430@example.com", "\u0441\u043e\u0441\u043e@example.com",
        "\u03bf\u03b9@example.com",
        "\ufb01ona@example.com", "\u017fam@example.com", "a\u2460@example.com",
        "\u2603@example.com",
        "\u0661\u06f2س@example.com", "\u0301a@example.com", "\U0001f600@example.com", "é" * 33 + "@example.com",
        "josé@corp.local",
    ],
)  # fmt: skip
def test_au12_mixed_scripts_lookalikes_and_symbols_are_refused_in_the_local_part(typed: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        canonical_email(typed, [INTERNATIONAL])


def test_a_name_of_lookalike_letters_is_accepted_if_its_domain_has_the_same_script() -> None:
    assert (
        canonical_email("\u0441\u0430р\u0430@пример.рф", [INTERNATIONAL]) == "\u0441\u0430р\u0430@xn--e1afmkfd.xn--p1ai"
    )


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        ("Old.Style@corp", "Old.Style@corp"),
        (" a@example.com ", "a@example.com"),
        ("a@müller.de", "a@xn--mller-kva.de"),
    ],
)
def test_email_is_sent_to_exactly_the_stored_address(stored: str, sent: str) -> None:
    assert mailable_email(stored) == sent


@pytest.mark.parametrize(
    "stored", ["anne berg@example.com", "no address", "", "a@b@c", "Anne <a@example.com>", "a@x\r\nBcc: b@x"]
)
def test_no_email_is_sent_to_an_invalid_stored_address(stored: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- any kind
        mailable_email(stored)


def test_percent_encoded_control_characters_in_mailto_links_are_not_decoded() -> None:
    assert pasted_email("mailto:a%00b@example.com") == "mailto:a%00b@example.com"
    assert "\x00" not in lookup_email("mailto:a%00b@example.com")
