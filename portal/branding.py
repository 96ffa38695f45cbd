"""The product's name, accent color and logo: validate the settings, and generate the files to serve."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

NAME = "Portal"
LONGEST_NAME = 40
LARGEST, WIDEST = 200_000, 1024  # bytes and pixels of a logo
CONTRAST = 4.5  # WCAG 2.2, success criterion 1.4.3
SURFACES = {"light": (249, 250, 252), "dark": (26, 29, 36)}  # behind links, the worse of two: static/css/tokens.css
TINT = 0.1  # of the accent, behind links that are marked as current: --tint
INK = {"light": (255, 255, 255), "dark": (15, 18, 32)}  # on buttons: --tblr-primary-fg

Color = tuple[int, int, int]


def read_name(text: str) -> str:
    """A name on one line. ValueError says what is wrong; braces would be placeholders of emails."""
    name = " ".join(text.split())
    if len(name) > LONGEST_NAME or not name.isprintable() or not any(map(str.isalnum, name)) or {*name} & {*"{}"}:
        raise ValueError(f"must be a name of at most {LONGEST_NAME} characters, such as Acme Console.")
    return name


def contrast(one: Color, other: Color) -> float:
    """The contrast ratio of two sRGB colors, from 1 to 21 (WCAG 2.2)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: Color) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (one / 255 for one in color)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mixed(one: Color, other: Color, share: float) -> Color:
    red, green, blue = (round(a * share + b * (1 - share)) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _least_contrast(color: Color, theme: str) -> float:
    """The lowest contrast of text in this color on pages and on its own tint, and of text on buttons in this color."""
    surface = SURFACES[theme]
    return min(contrast(color, surface), contrast(color, _mixed(color, surface, TINT)), contrast(color, INK[theme]))


def _hex(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


@dataclass(frozen=True)
class Accent:
    """The accent color in both themes, as #rrggbb."""

    light: str
    dark: str


def read_accent(text: str) -> Accent:
    """One color, or two separated by a comma for light and dark pages. ValueError says what is missing.

    If there is only one, it is lightened for dark pages as far as the contrast requires.
    """
    found = [_color(one.strip()) for one in text.split(",")]
    if len(found) > 2:
        raise ValueError("takes one color, or two separated by a comma, for light and for dark pages.")
    if len(found) == 1:
        shares = (_mixed(found[0], (255, 255, 255), 1 - step / 20) for step in range(20))
        found.append(next((one for one in shares if _least_contrast(one, "dark") >= CONTRAST), found[0]))
    for color, (theme, better) in zip(found, (("light", "darker"), ("dark", "lighter")), strict=True):
        if (ratio := _least_contrast(color, theme)) < CONTRAST:
            raise ValueError(
                f"{_hex(color)} has a contrast of {int(ratio * 100) / 100:.2f} on {theme} pages, and text needs"
                f" {CONTRAST}; choose a {better} color."
            )
    return Accent(_hex(found[0]), _hex(found[1]))


def _color(text: str) -> Color:
    if not re.fullmatch("#[0-9a-fA-F]{6}", text):
        raise ValueError("must be a color such as #3557d0.")
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


@dataclass(frozen=True)
class Logo:
    """An image in a format without scripts (PNG or WebP), recognized by its content."""

    content: bytes
    mimetype: str


def read_logo(path: Path) -> Logo:
    """Read and check an image. ValueError says what is wrong."""
    try:
        content = path.read_bytes() if path.stat().st_size <= LARGEST else None
    except OSError as error:
        raise ValueError(f"can't be read: {type(error).__name__}.") from None
    if content is None:
        raise ValueError(f"must be at most {LARGEST // 1000} kB.")
    for mimetype, size_of in (("image/png", _png_size), ("image/webp", _webp_size)):
        if size := size_of(content):
            if not 0 < max(size) <= WIDEST or not min(size):
                raise ValueError(f"must be at most {WIDEST} pixels wide and high; it is {size[0]} × {size[1]}.")
            return Logo(content, mimetype)
    raise ValueError("must be a PNG or WebP image. SVG isn't accepted, because it can contain scripts.")


def _png_size(content: bytes) -> tuple[int, int] | None:
    if content[:8] != b"\x89PNG\r\n\x1a\n" or content[12:16] != b"IHDR" or len(content) < 33:
        return None
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def _webp_size(content: bytes) -> tuple[int, int] | None:
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP" or len(content) < 30:
        return None
    kind = content[12:16]
    if kind == b"VP8X":
        return int.from_bytes(content[24:27], "little") + 1, int.from_bytes(content[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(content[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", content[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None


def style_of(name: str, accent: Accent | None, logo_url: str | None) -> str:
    """A style sheet that overrides static/css; empty if nothing differs."""
    rules = []
    if accent:
        both = f"light-dark({accent.light}, {accent.dark})"
        rules.append(
            f":root {{ --tblr-primary: {both}; --tblr-link-color: {both};"
            f" --tblr-primary-fg: light-dark({_hex(INK['light'])}, {_hex(INK['dark'])});"
            f" --tblr-primary-darken: color-mix(in oklab, {both}, light-dark(#000, #fff) 20%);"
            f" --tblr-link-hover-color: color-mix(in oklab, {both}, light-dark(#000, #fff) 20%); }}"
        )
    if logo_url:
        rules.append(f'.home::before {{ content: "" / ""; background: url("{logo_url}") center / contain no-repeat; }}')
    elif name != NAME:
        initial = next((one for one in name.upper() if one.isalnum()), "")
        rules.append(f'.home::before {{ content: "{initial}" / ""; }}')
    return "\n".join(rules)
