"""Parse pasted email addresses, normalize them for storage, and format them for pages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from functools import lru_cache
from urllib.parse import unquote

import idna
from email_validator import EmailNotValidError, ValidatedEmail, validate_email

from portal.config import EMAIL_KINDS
from portal.core.text import ZWJ, ZWNJ, has_control, narrow, visible

KINDS = INTERNAL, INTERNATIONAL = EMAIL_KINDS
BELOW = ".co"
LONGEST_PASTED = 1000
LONGEST_LOCAL_PART = 64  # RFC 5321, section 4.5.3.1.1
LOOK_ALIKES = {"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"}
LATIN_SHAPED = frozenset("асԁеһіјӏорԛѕԝхуъьҽпгѵѡ" + "αικνρυωηοτγ")  # words made of these look Latin
HAN = {"LATIN", "CJK", "IDEOGRAPHIC"}
WRITTEN_TOGETHER = (HAN | {"HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"}, HAN | {"BOPOMOFO"}, HAN | {"HANGUL"})

_bracketed = re.compile(r"<\s*([^<>]+?)\s*>?\s*")
_comment = re.compile(r"\s*\([^()]*\)$")
_plain = re.compile(r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@([a-z0-9.-]+)")
_address = re.compile(r"[^\s@<>,;:()]+@[^\s@<>,;:()]+")
PUNCTUATION = " \t;,.:。、"
QUOTES = "\"'“”‘’„«»"


def pasted_email(text: str) -> str:
    """Extract the address from pasted text: `"Berg, Anne" <anne@example.com>;` or `mailto:anne@example.com?subject=x`.

    Anything else is returned without invisible characters, and with single spaces.
    """
    if len(text) > LONGEST_PASTED:
        return text
    tidy = " ".join(visible(text).split())
    found = _unwrapped(narrow(tidy))
    return _without_joiners(found) if _address.fullmatch(found) else tidy


def _unwrapped(text: str) -> str:
    text = _comment.sub("", text.strip(PUNCTUATION))
    name, bracket, rest = text.partition("<")
    if bracket and (inner := _bracketed.fullmatch(bracket + rest)):
        text = inner[1]
    scheme, colon, address = text.partition(":")
    if colon and scheme.strip(QUOTES).lower() == "mailto":
        text = visible(unquote(address.partition("?")[0]))
        if has_control(text):
            return ""
    return text.strip(PUNCTUATION + QUOTES)


def _without_joiners(address: str) -> str:
    """Remove joiners next to ASCII, where they have no effect; elsewhere IDNA decides where they are allowed."""
    return re.sub(f"(?<=[\x21-\x7e])[{ZWNJ}{ZWJ}]|[{ZWNJ}{ZWJ}](?=[\x21-\x7e])", "", address)


def canonical_email(text: str, kinds: Collection[str] = ()) -> str:
    """Normalize an address: lowercase, with its domain in ASCII. Raise ValueError that says what to do.

    `kinds` are accepted besides public ASCII addresses: INTERNAL, INTERNATIONAL. To avoid look-alikes, an international
    domain becomes its ASCII form (RFC 5891), and non-ASCII letters before the @ must be of one script, normalized, and
    not all shaped like Latin ones.
    """
    lower = text.lower() if text.isascii() else ""
    if len(lower) <= LONGEST_LOCAL_PART and (plain := _plain.fullmatch(lower)) and _is_usual(plain[1]):
        return lower
    if len(text) > LONGEST_PASTED:
        raise ValueError("This address is too long.")
    text = pasted_email(text)
    if "@" not in text:
        raise ValueError("This address has no @. Enter one such as name@example.com.")
    try:
        name, domain, ascii_domain = _parts(text, kinds)
    except EmailNotValidError as error:
        raise ValueError(f"Enter a valid email address, such as name@example.com. {error}") from None
    if len(name.encode()) > LONGEST_LOCAL_PART:
        raise ValueError(f"Use at most {LONGEST_LOCAL_PART} characters before the @.")
    if not name.isascii() and _could_be_another(name, domain):
        raise ValueError("The part before the @ could be mistaken for another address. Use letters of one script only.")
    if domain != ascii_domain and any(_mixes_scripts(label) for label in domain.split(".")):
        raise ValueError("The part after the @ mixes letters of different scripts. Enter one such as example.com.")
    return f"{_lower(name)}@{ascii_domain.lower()}"


@lru_cache(maxsize=10_000)
def _is_usual(domain: str) -> bool:
    """Whether plain names at this lowercase domain are canonical addresses, whichever kinds are accepted."""
    try:
        name, readable, ascii_domain = _parts(f"a@{domain}", ())
    except EmailNotValidError:
        return False
    return (name, readable, ascii_domain) == ("a", domain, domain)


def mailable_email(stored: str) -> str:
    """A stored address of any kind, in the form for mail servers. Raise ValueError if it isn't valid."""
    name, _, ascii_domain = _parts(stored.strip(), KINDS)
    return f"{name}@{ascii_domain}"


def _parts(text: str, kinds: Collection[str]) -> tuple[str, str, str]:
    """The part before the @, and the domain in Unicode and ASCII. Raise EmailNotValidError."""

    def validated(text: str) -> ValidatedEmail:
        return validate_email(text, check_deliverability=False, allow_smtputf8=INTERNATIONAL in kinds)

    try:
        valid = validated(text)
        return valid.local_part, valid.domain, valid.ascii_domain
    except EmailNotValidError:
        if INTERNAL not in kinds or text.rpartition(".")[2].isdigit():
            raise
        try:
            found = validated(text + BELOW)  # validate internal names as subdomains of a public one
        except EmailNotValidError:
            found = None
        if found is None:
            raise
        return found.local_part, found.domain.removesuffix(BELOW), found.ascii_domain.removesuffix(BELOW)


def _lower(name: str) -> str:
    """Lowercase like UsernameCaseMapped of RFC 8265, but without the extra dot of the Turkish capital I."""
    return unicodedata.normalize("NFC", name.lower().replace("i\u0307", "i"))


def _could_be_another(name: str, domain: str) -> bool:
    """Whether a name fails the highly restrictive profile of UTS 39, or mixes digits of different scripts."""
    letters = {one for one in name if not one.isascii() and unicodedata.category(one)[0] not in "MN"}
    scripts = {_script(one) for one in name if one.isalpha()}
    zeros = {ord(one) - unicodedata.decimal(one) for one in name if one.isdecimal()}
    is_native = any(not one.isascii() for one in domain) and {_script(one) for one in domain if one.isalpha()} & scripts
    return (
        unicodedata.normalize("NFKC", name) != name
        or not all(map(str.isalpha, letters))
        or len(zeros) > 1
        or not (len(scripts) == 1 or any(scripts <= together for together in WRITTEN_TOGETHER))
        or (bool(letters) and letters <= LATIN_SHAPED and not is_native)
    )


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").split(" ")[0]


def lookup_email(text: str) -> str:
    """The address to look people up by: canonical, or only lowercased if it isn't valid for new people."""
    try:
        return canonical_email(text, KINDS)
    except ValueError:
        pasted = pasted_email(text)
        return (pasted if _address.fullmatch(pasted) else text.strip()).lower()


def readable_email(email: str) -> str:
    """A stored address as people write it: `anne@müller.example`. Unchanged if that could be mistaken for another."""
    if "xn--" not in email.lower():
        return email
    name, at, domain = email.rpartition("@")
    return f"{name}@{readable_domain(domain)}" if at else email


def readable_domain(domain: str) -> str:
    """A domain in Unicode, if IDNA converts it back to the same and no label looks like a different one."""
    if "xn--" not in domain.lower():
        return domain
    try:
        shown = idna.decode(domain)
        is_same = idna.encode(shown).decode("ascii") == domain.lower()
    except (idna.IDNAError, UnicodeError):
        return domain
    return shown if is_same and not any(map(_looks_like_another, shown.split("."))) else domain


def _looks_like_another(label: str) -> bool:
    """Whether letters are of two scripts, or are non-Latin but all shaped like Latin ones."""
    letters = {letter for letter in label if letter.isalpha() and not letter.isascii()}
    return _mixes_scripts(label) or bool(letters and letters <= LATIN_SHAPED)


def _mixes_scripts(label: str) -> bool:
    """Whether Latin letters are mixed with an alphabet of look-alikes (Unicode Technical Standard 39, section 5)."""
    scripts = {_script(letter) for letter in label if letter.isalpha()}
    return "LATIN" in scripts and bool(scripts & LOOK_ALIKES)
