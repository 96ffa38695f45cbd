"""The product's name, accent color and logo: what is accepted, and where they appear."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from portal.branding import SURFACES, Logo, contrast, read_accent, read_logo
from portal.config import ConfigurationError, load_settings
from portal.mfa.codes import new_secret, qr_code
from tests.cast import Person
from tests.pages import PageClient

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 64, 32, 8, 6, 0, 0, 0) + b"\0" * 4
WEBP = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0/\x3f\xc0\x07\0" + b"\0" * 8


def refusal(**environ: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load_settings({"DATABASE_URL": "postgresql://a@b/c", "SECRET_KEY": "0123456789abcdef" * 2, **environ})
    return str(refused.value)


def test_contrast_is_calculated_as_in_wcag() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == 21
    assert round(contrast((119, 119, 119), (255, 255, 255)), 2) == 4.48


def test_a_readable_color_for_dark_pages_is_derived() -> None:
    accent = read_accent("#0B6E4F")

    assert accent.light == "#0b6e4f"
    dark = int(accent.dark[1:3], 16), int(accent.dark[3:5], 16), int(accent.dark[5:7], 16)
    assert contrast(dark, SURFACES["dark"]) >= 4.5
    assert read_accent("#0b6e4f, #7fd1b0").dark == "#7fd1b0"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("#ffcc00", "PORTAL_ACCENT_COLOR #ffcc00 has a contrast of 1.3"),
        ("#0b6e4f,#0b6e4f", "on dark pages, and text needs 4.5; choose a lighter color."),
        ("red", "must be a color such as #3557d0."),
        ("#0b6e4f,#7fd1b0,#000000", "takes one color, or two"),
        ("#12345", "must be a color"),
        ("#fff;}", "must be a color"),
    ],
)
def test_an_accent_that_cannot_be_read_is_refused_with_its_contrast(value: str, message: str) -> None:
    assert message in refusal(PORTAL_ACCENT_COLOR=value)


def test_names_that_are_empty_too_long_or_contain_braces_are_refused() -> None:
    for name in ("x" * 41, "...", "a\u202eb", "{0}"):
        assert "PORTAL_PRODUCT_NAME must be a name" in refusal(PORTAL_PRODUCT_NAME=name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', "can't contain <script>"),
        (b"", "must be a PNG, WebP or SVG image"),
        (PNG[:20], "must be a PNG, WebP or SVG image"),
        (PNG.replace(struct.pack(">I", 64), struct.pack(">I", 1025)), "at most 1024 pixels"),
        (PNG.replace(struct.pack(">I", 32), struct.pack(">I", 0)), "at most 1024 pixels"),
        (PNG + b"\0" * 200_000, "must be at most 200 kB"),
    ],
)
def test_logos_are_recognized_by_their_content(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "logo.png"
    path.write_bytes(content)

    assert message in refusal(PORTAL_LOGO=str(path))


def test_a_logo_can_be_webp_and_must_exist(tmp_path: Path) -> None:
    path = tmp_path / "logo"
    path.write_bytes(WEBP)

    assert read_logo(path).mimetype == "image/webp"
    assert "can't be read: FileNotFoundError" in refusal(PORTAL_LOGO=str(tmp_path / "none.png"))


def test_name_accent_and_logo_appear_in_titles_styles_and_authenticator_apps(
    app: Flask, client: PageClient, change_settings: Callable[..., None], ada: Person
) -> None:
    assert "branding.css" not in client.get("/login").text
    change_settings(product_name="Café <b>", accent=read_accent("#0b6e4f"), logo=Logo(PNG, "image/png"))

    page = client.get("/login").text
    assert "Sign in · Café &lt;b&gt;</title>" in page
    style = client.get(page.split('href="')[page.count('href="', 0, page.index("branding.css"))].split('"')[0])
    assert "light-dark(#0b6e4f, #" in style.text
    image = client.get(style.text.split('url("')[1].split('"')[0])
    assert (image.data, image.mimetype) == (PNG, "image/png")
    icon = client.get(page.split('rel="icon" href="')[1].split('"')[0])
    assert 'fill="#0b6e4f"' in icon.text
    assert ">C</text>" in icon.text
    for answer in (style, image, icon):
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    with app.app_context():
        assert qr_code(new_secret(), ada.email)


def test_without_a_logo_the_mark_is_the_initial_of_the_name(
    client: PageClient, change_settings: Callable[..., None]
) -> None:
    change_settings(product_name="“Acme”")

    assert 'content: "A"' in client.get("/static/branding.css").text
    assert client.get("/static/logo").status_code == 404
