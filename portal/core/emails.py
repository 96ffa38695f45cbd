"""Email addresses: as people paste them, in the one form that is stored, and in the form that pages show."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from urllib.parse import unquote

import idna
from email_validator import EmailNotValidError, ValidatedEmail, validate_email

from portal.config import EMAIL_KINDS
from portal.core.text import ZWJ, ZWNJ, narrow, visible

KINDS = INTERNAL, INTERNATIONAL = EMAIL_KINDS
BELOW = ".co"
LONGEST_PASTED = 1000
LONGEST_LOCAL_PART = 64  # RFC 5321, section 4.5.3.1.1
LOOK_ALIKES = {"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"}
LATIN_SHAPED = frozenset("асԁеһіјӏорԛѕԝхуъьҽпгѵѡ" + "αικνρυωηοτγ")  # nobody could tell a word of them from a Latin one
HAN = {"LATIN", "CJK", "IDEOGRAPHIC"}
WRITTEN_TOGETHER = (HAN | {"HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"}, HAN | {"BOPOMOFO"}, HAN | {"HANGUL"})

_bracketed = re.compile(r"<\s*([^<>]+?)\s*>?\s*")
_comment = re.compile(r"\s*\([^()]*\)$")
_address = re.compile(r"[^\s@<>,;:()]+@[^\s@<>,;:()]+")
PUNCTUATION = " \t;,.:。、"
QUOTES = "\"'“”‘’„«»"


def pasted_email(text: str) -> str:
    """The address in what somebody pasted: `"Berg, Anne" <anne@example.com>;` or `mailto:anne@example.com?subject=x`.

    Anything else comes back without characters that nobody can see, and with single spaces.
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
        text = unquote(address.partition("?")[0])
    return text.strip(PUNCTUATION + QUOTES)


def _without_joiners(address: str) -> str:
    """They change nothing about ASCII letters; elsewhere IDNA says where they belong."""
    return re.sub(f"(?<=[\x21-\x7e])[{ZWNJ}{ZWJ}]|[{ZWNJ}{ZWJ}](?=[\x21-\x7e])", "", address)


def canonical_email(text: str, kinds: Collection[str] = ()) -> str:
    """The one way to write an address: its domain in ASCII, in small letters. ValueError with what to do about it.

    `kinds` are those taken beside public ASCII ones: INTERNAL, INTERNATIONAL. Letters that only look like others can't
    make a twin: an international domain becomes its ASCII form (RFC 5891), and other letters before the @ are of one
    script, in a form that Unicode normalization leaves alone, and not all shaped like Latin ones.
    """
    text = pasted_email(text)
    if "@" not in text:
        raise ValueError("This address has no @. Write it like name@example.com.")
    try:
        name, domain, ascii_domain = _parts(text, kinds)
    except EmailNotValidError as error:
        raise ValueError(f"This is no e-mail address that can be written to: {error}") from None
    if len(name.encode()) > LONGEST_LOCAL_PART:
        raise ValueError(f"Before the @ there can be {LONGEST_LOCAL_PART} characters at most.")
    if not name.isascii() and _could_be_another(name, domain):
        raise ValueError("The part before the @ could be taken for another. Use letters of one script.")
    if domain != ascii_domain and any(_mixes_scripts(label) for label in domain.split(".")):
        raise ValueError("The part after the @ mixes letters of different scripts. Write it like name@example.com.")
    return f"{_lower(name)}@{ascii_domain.lower()}"


def mailable_email(stored: str) -> str:
    """A stored address, of whatever kind, as mail servers are told it. ValueError where none of them could be."""
    name, _, ascii_domain = _parts(stored.strip(), KINDS)
    return f"{name}@{ascii_domain}"


def _parts(text: str, kinds: Collection[str]) -> tuple[str, str, str]:
    """What stands before the @, and the domain in Unicode and in ASCII. EmailNotValidError."""

    def validated(text: str) -> ValidatedEmail:
        return validate_email(text, check_deliverability=False, allow_smtputf8=INTERNATIONAL in kinds)

    try:
        found = validated(text)
        return found.local_part, found.domain, found.ascii_domain
    except EmailNotValidError:
        if INTERNAL not in kinds or text.rpartition(".")[2].isdigit():
            raise
        try:
            found = validated(text + BELOW)  # internal names are as names below a public one
        except EmailNotValidError:
            found = None
        if found is None:
            raise
        return found.local_part, found.domain.removesuffix(BELOW), found.ascii_domain.removesuffix(BELOW)


def _lower(name: str) -> str:
    """As UsernameCaseMapped of RFC 8265. Of the Turkish capital I the dot stays, which no small i shows."""
    return unicodedata.normalize("NFC", name.lower().replace("i\u0307", "i"))


def _could_be_another(name: str, domain: str) -> bool:
    """By the profile for identifiers of Unicode Technical Standard 39, highly restrictive, and by its numbers."""
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
    """The address to look somebody up by: canonical, or in small letters where new ones may not be written so."""
    try:
        return canonical_email(text, KINDS)
    except ValueError:
        pasted = pasted_email(text)
        return (pasted if _address.fullmatch(pasted) else text.strip()).lower()


def readable_email(email: str) -> str:
    """A stored address as people write it: `anne@müller.example`. As stored where that could be taken for another."""
    name, at, domain = email.rpartition("@")
    return f"{name}@{readable_domain(domain)}" if at else email


def readable_domain(domain: str) -> str:
    """A domain in Unicode, where IDNA leads back to the same and no label looks like one of other letters."""
    if "xn--" not in domain.lower():
        return domain
    try:
        shown = idna.decode(domain)
        is_same = idna.encode(shown).decode("ascii") == domain.lower()
    except (idna.IDNAError, UnicodeError):
        return domain
    return shown if is_same and not any(map(_looks_like_another, shown.split("."))) else domain


def _looks_like_another(label: str) -> bool:
    """Letters of two scripts, or of another script that are all shaped like Latin ones."""
    letters = {letter for letter in label if letter.isalpha() and not letter.isascii()}
    return _mixes_scripts(label) or bool(letters and letters <= LATIN_SHAPED)


def _mixes_scripts(label: str) -> bool:
    """Latin letters beside those of an alphabet with look-alikes (Unicode Technical Standard 39, section 5)."""
    scripts = {_script(letter) for letter in label if letter.isalpha()}
    return "LATIN" in scripts and bool(scripts & LOOK_ALIKES)
