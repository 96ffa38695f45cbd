"""The product's name, accent color and logo: validate the settings, and generate the files to serve."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

from portal import svg

NAME = "Portal"
LONGEST_NAME = 40
LARGEST, WIDEST = 200_000, 1024  # bytes and pixels of a logo
CONTRAST = 4.5  # WCAG 2.2, success criterion 1.4.3
SURFACES = {"light": (249, 250, 252), "dark": (26, 29, 36)}  # behind links, the worse of two: static/css/tokens.css
TINT = 0.1  # of the accent, behind links that are marked as current: --tint
INK = {"light": (255, 255, 255), "dark": (15, 18, 32)}  # on buttons: --tblr-primary-fg

INITIAL = '<text x="14" y="20" style="font: 700 16px system-ui, sans-serif; text-anchor: middle" fill="#fff">{}</text>'
P = (
    '<path d="M11 20V8h4.2a3.7 3.7 0 0 1 0 7.4H11" fill="none" stroke="#fff" stroke-width="2.6"'
    ' stroke-linecap="round" stroke-linejoin="round"/>'
)

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


def mixed(one: Color, other: Color, share: float) -> Color:
    red, green, blue = (round(a * share + b * (1 - share)) for a, b in zip(one, other, strict=True))
    return red, green, blue


def least_contrast(color: Color, theme: str) -> float:
    """The lowest contrast of text in this color on pages and on its own tint, and of text on buttons in this color."""
    surface = SURFACES[theme]
    return min(contrast(color, surface), contrast(color, mixed(color, surface, TINT)), contrast(color, INK[theme]))


def hex_of(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


@dataclass(frozen=True)
class Accent:
    """The accent color in both themes, as #rrggbb."""

    light: str
    dark: str


DEFAULT = Accent("#3b4fc9", "#869cf5")  # about what static/css/tokens.css and static/favicon.svg contain


def read_accent(text: str) -> Accent:
    """One color, or two separated by a comma for light and dark pages. ValueError says what is missing.

    If there is only one, it is lightened for dark pages as far as the contrast requires.
    """
    found = [color_of(one.strip()) for one in text.split(",")]
    if len(found) > 2:
        raise ValueError("takes one color, or two separated by a comma, for light and for dark pages.")
    if len(found) == 1:
        found.append(lightened(found[0]))
    for color, theme in zip(found, SURFACES, strict=True):
        if problem := contrast_problem(color, theme):
            raise ValueError(problem)
    return Accent(hex_of(found[0]), hex_of(found[1]))


def lightened(color: Color) -> Color:
    """The color for dark pages, lightened as far as the contrast requires."""
    shares = (mixed(color, (255, 255, 255), 1 - step / 20) for step in range(20))
    return next((one for one in shares if least_contrast(one, "dark") >= CONTRAST), color)


def contrast_problem(color: Color, theme: str) -> str:
    """What is wrong with an accent color of this theme, as a sentence; empty if it can be read."""
    ratio = least_contrast(color, theme)
    if ratio >= CONTRAST:
        return ""
    better = {"light": "darker", "dark": "lighter"}[theme]
    return (
        f"{hex_of(color)} has a contrast of {cut(ratio)} on {theme} pages, and text needs {CONTRAST}; "
        f"choose a {better} color."
    )


def cut(ratio: float) -> str:
    """A contrast ratio, rounded down, so that one that is too low never reads like the limit."""
    return f"{int(ratio * 100) / 100:.2f}"


def color_of(text: str) -> Color:
    if not re.fullmatch("#[0-9a-fA-F]{6}", text):
        raise ValueError("must be a color such as #3557d0.")
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


@dataclass(frozen=True)
class Logo:
    """An image that runs nothing: PNG, WebP or checked SVG, recognized by its content."""

    content: bytes
    mimetype: str


def read_logo(path: Path) -> Logo:
    """Read and check an image. ValueError says what is wrong."""
    try:
        content = path.read_bytes() if path.stat().st_size <= LARGEST else b" " * (LARGEST + 1)
    except OSError as error:
        raise ValueError(f"can't be read: {type(error).__name__}.") from None
    return logo_of(content)


def logo_of(content: bytes) -> Logo:
    """Check an image. ValueError says what is wrong."""
    if len(content) > LARGEST:
        raise ValueError(f"must be at most {LARGEST // 1000} kB.")
    for mimetype, size_of in (("image/png", _png_size), ("image/webp", _webp_size)):
        if size := size_of(content):
            if not 0 < max(size) <= WIDEST or not min(size):
                raise ValueError(f"must be at most {WIDEST} pixels wide and high; it is {size[0]} × {size[1]}.")
            return Logo(content, mimetype)
    if svg.size_of(content):
        return Logo(content, "image/svg+xml")
    raise ValueError("must be a PNG, WebP or SVG image.")


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


def initial_of(name: str) -> str:
    """The character that stands for the product where there is no logo."""
    return next((one for one in name.upper() if one.isalnum()), "")


def icon_of(name: str, accent: Accent | None) -> str:
    """The icon of the browser's tab, as SVG; empty if it doesn't differ from static/favicon.svg."""
    if accent is None and name == NAME:
        return ""
    sign = P if name == NAME else INITIAL.format(initial_of(name))
    color = (accent or DEFAULT).light
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 28 28">'
        f'<rect width="28" height="28" rx="7" fill="{color}"/>{sign}</svg>'
    )


def style_of(name: str, accent: Accent | None, logo_url: str | None) -> str:
    """A style sheet that overrides static/css; empty if nothing differs."""
    rules = []
    if accent:
        both = f"light-dark({accent.light}, {accent.dark})"
        rules.append(
            f":root {{ --tblr-primary: {both}; --tblr-link-color: {both};"
            f" --tblr-primary-fg: light-dark({hex_of(INK['light'])}, {hex_of(INK['dark'])});"
            f" --tblr-primary-darken: color-mix(in oklab, {both}, light-dark(#000, #fff) 20%);"
            f" --tblr-link-hover-color: color-mix(in oklab, {both}, light-dark(#000, #fff) 20%); }}"
        )
    if logo_url:
        rules.append(f'.home::before {{ content: "" / ""; background: url("{logo_url}") center / contain no-repeat; }}')
    elif name != NAME:
        rules.append(f'.home::before {{ content: "{initial_of(name)}" / ""; }}')
    return "\n".join(rules)
