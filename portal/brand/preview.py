"""What a brand would look like on light and dark pages, before it is saved."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass

from portal.branding import (
    CONTRAST,
    DEFAULT,
    INK,
    SURFACES,
    TINT,
    Logo,
    color_of,
    cut,
    hex_of,
    initial_of,
    least_contrast,
    lightened,
    mixed,
)

PANELS = {"light": "#ffffff", "dark": "#111419"}
TEXTS = {"light": "#262930", "dark": "#e3e4e9"}
LINES = {"light": "#dfe1e5", "dark": "#2f333b"}


@dataclass(frozen=True)
class Preview:
    """The colors of a page in one theme, as #rrggbb, and how readable text in the accent color is."""

    theme: str
    name: str
    initial: str
    logo: str  # a data: URL, or empty
    accent: str
    tint: str
    ink: str
    page: str
    panel: str
    text: str
    line: str
    contrast: str
    is_readable: bool


def previews(name: str, accent: str | None, accent_dark: str | None, logo: Logo | None) -> Iterator[Preview]:
    """One for each theme. Without a color that can be read as one, the portal's own."""
    light = _color(accent) or color_of(DEFAULT.light)
    dark = _color(accent_dark) or (lightened(light) if _color(accent) else color_of(DEFAULT.dark))
    image = f"data:{logo.mimetype};base64,{b64encode(logo.content).decode()}" if logo else ""
    for theme, color in (("light", light), ("dark", dark)):
        ratio = least_contrast(color, theme)
        yield Preview(
            theme=theme,
            name=name,
            initial=initial_of(name),
            logo=image,
            accent=hex_of(color),
            tint=hex_of(mixed(color, SURFACES[theme], TINT)),
            ink=hex_of(INK[theme]),
            page=hex_of(SURFACES[theme]),
            panel=PANELS[theme],
            text=TEXTS[theme],
            line=LINES[theme],
            contrast=cut(ratio),
            is_readable=ratio >= CONTRAST,
        )


def _color(text: str | None) -> tuple[int, int, int] | None:
    try:
        return color_of(text) if text else None
    except ValueError:
        return None
