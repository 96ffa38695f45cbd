"""Clean pasted text: remove characters that are invisible or change the text direction.

They are stripped, not refused, because word processors, chats and PDF files insert them. What remains is what the
reader sees. Unicode calls most of them "default ignorable" (DerivedCoreProperties); RFC 8264 and UTS 39 keep them out
of names. Joiners and variation selectors stay where they change how the character next to them looks.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 1000  # characters of one line of text, in any field
ZWNJ, ZWJ = "\u200c", "\u200d"
EMOJI_STYLES = "\ufe0e\ufe0f"
STYLED = tuple("\u203c\u2049\u2139\u3030")  # emoji that are punctuation or letters
KEYS, KEYCAP = tuple("0123456789#*"), "\u20e3"
VIRAMA = 9  # the canonical combining class

# No use in one line of text: soft hyphen, combining grapheme joiner, marks, embeddings and isolates of direction,
# fillers, invisible operators, tags, annotations, the object placeholder, and blank symbols.
INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0"
    "\ufff0-\ufffc\U00013430-\U0001345f\U00016fe4\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
)
# Useful next to some letters: joiners, Mongolian separators and selectors, variation selectors.
CONTEXTUAL = "\u180b-\u180f\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef"

_invisible = re.compile(f"[{INVISIBLE}]+")
_contextual = re.compile(f"[{CONTEXTUAL}]+")
_mongolian = re.compile("[\u1820-\u18aa]")
_ideograph = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


CONTROL = "Remove the control characters."

_plain = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")  # words of ASCII with single spaces

_narrow = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0xFE6B: "@", 0x3000: " "}


def tidy(text: str | None) -> str | None:
    """One line of text: visible characters, trimmed, with single spaces, in normal form C. None if empty or all marks.

    Text too long for any field is returned unchanged: it fails length checks, and normalizing could take seconds.
    """
    if text and (len(text) > LONGEST or _plain.fullmatch(text)):
        return text
    kept = " ".join(visible(unicodedata.normalize("NFC", text)).split()) if text else ""
    return kept if has_control(kept) or any(_kind(one)[0] in "LNPS" for one in kept) else None


def has_control(text: str) -> bool:
    """Whether it contains control characters, halves of surrogate pairs or noncharacters."""
    if text.isascii() and text.isprintable():
        return False
    return any(unicodedata.category(one) in ("Cc", "Cs") or _is_noncharacter(ord(one)) for one in text)


def showable(text: str) -> str:
    """The text for a page, which can't contain control characters, with a sign in place of each."""
    return "".join("\ufffd" if has_control(one) and not one.isspace() else one for one in text)


def first_unseen(text: str) -> str | None:
    """The first invisible character, for text that must not be changed silently. Tabs and line breaks are visible."""
    kept = visible(text)
    if kept != text:
        return next(one for place, one in enumerate(text) if kept[place : place + 1] != one)
    return next((one for one in text if one not in "\t\r\n" and has_control(one)), None)


def narrow(text: str) -> str:
    """Convert full-width ASCII, as typed on Chinese and Japanese keyboards, to the usual width."""
    return text.translate(_narrow)


def _is_noncharacter(code: int) -> bool:
    return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def visible(text: str) -> str:
    """Strip invisible characters and direction marks; joiners inside words and emoji stay."""
    return _contextual.sub(_useful, _invisible.sub("", text))


def _useful(found: re.Match[str]) -> str:
    """Keep those characters of a run that have an effect between their neighbors."""
    start, end = found.span()
    before, after, kept = found.string[max(start - 1, 0) : start], found.string[end : end + 1], ""
    for one in found.group():
        if _is_useful(one, before, after):
            kept, before = kept + one, one
    return kept


def _is_useful(one: str, before: str, after: str) -> bool:
    if one in (ZWJ, ZWNJ):
        return _joins(one, before, after)
    if one in EMOJI_STYLES:
        return _kind(before) in ("So", "Sm") or before in STYLED or (before in KEYS and after == KEYCAP)
    if "\u180b" <= one <= "\u180f":
        return bool(_mongolian.match(before))
    return bool(_ideograph.match(before)) or (one < EMOJI_STYLES[0] and _kind(before) == "Sm")


def _joins(joiner: str, before: str, after: str) -> bool:
    """Whether a joiner is between letters, after a virama (RFC 5892, appendix A), or inside an emoji."""
    if unicodedata.combining(before or " ") == VIRAMA:
        return True
    if joiner == ZWJ and _kind(after) == "So":
        return _kind(before) in ("So", "Sk") or before == EMOJI_STYLES[1]
    return _kind(before)[:1] in ("L", "M") and _kind(after)[:1] in ("L", "M")


def _kind(character: str) -> str:
    return unicodedata.category(character) if character else ""
