"""SUPER_ADMINs change product name, accent color and logo, and everybody sees them."""

from __future__ import annotations

import io
import re
import struct
from base64 import b64decode, b64encode
from time import monotonic
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, text

from portal.brand.models import BrandVersion
from portal.core.db import command, db
from portal.core.history import Activity
from portal.mail.message import Email
from portal.web import brand
from portal.web.brand import FRESH
from tests.acting import acting
from tests.cast import Person, SignIn
from tests.pages import HTMX, PageClient

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 64, 32, 8, 6, 0, 0, 0) + b"\0" * 4
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0h8v8z"/></svg>'
HOSTILE = SVG.replace(b"<path", b"<script/><path")


@pytest.fixture
def branding(client: PageClient, sign_in: SignIn, root: Person) -> PageClient:
    """A SUPER_ADMIN's browser."""
    sign_in(root)
    return client


def save(client: PageClient, logo: bytes | None = None, **values: str) -> Any:
    files = {"logo": (io.BytesIO(logo), "logo")} if logo is not None else {}
    return client.send("/branding/", {**values, **files})


def test_everybody_sees_the_brand_also_at_the_sign_in_page(branding: PageClient, other_client: PageClient) -> None:
    assert save(branding, SVG, name=" Acme  Console ", accent="#0b6e4f").status_code == 303

    assert "<title>Branding · Acme Console</title>" in branding.get("/branding/").text
    page = other_client.get("/login").text
    assert "Sign in · Acme Console</title>" in page
    style = other_client.get("/static/branding.css").text
    assert "light-dark(#0b6e4f, #" in style
    logo = other_client.get(style.split('url("')[1].split('"')[0])
    assert (logo.data, logo.mimetype) == (SVG, "image/svg+xml")
    assert logo.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert logo.headers["X-Content-Type-Options"] == "nosniff"
    icon = other_client.get("/static/favicon.svg").text
    assert 'fill="#0b6e4f"' in icon
    assert ">A</text>" in icon


def test_buttons_in_emails_have_the_accent_color(app: Flask, branding: PageClient) -> None:
    save(branding, accent="#0b6e4f")

    with app.app_context():
        email = Email("ada@example.com", "Welcome", "Hello", (), link="https://portal.example.com/", verb="Open")
        assert 'bgcolor="#0b6e4f"' in email.content("html")


@pytest.mark.parametrize(
    ("values", "logo", "message"),
    [
        ({"accent": "#ffcc00"}, None, "#ffcc00 has a contrast of 1.3"),
        ({"accent": "#0b6e4f", "accent_dark": "#0b6e4f"}, None, "on dark pages, and text needs 4.5; choose a lighter"),
        ({"accent": "green"}, None, "Enter a color such as #0b6e4f."),
        ({"accent_dark": "#ffffff"}, None, "Enter the color for light pages, too."),
        ({"name": "x" * 41}, None, "40 characters at most"),
        ({"name": "{0}"}, None, "must be a name of at most 40 characters"),
        ({"name": "..."}, None, "must be a name"),
        ({}, HOSTILE, "The logo can&#39;t contain &lt;script&gt;."),
        ({}, PNG + b"\0" * 200_001, "The logo must be at most 200 kB."),
        ({}, PNG.replace(struct.pack(">I", 64), struct.pack(">I", 1025)), "at most 1024 pixels"),
        ({}, b'<?xml version="1.0" encoding="bogus"?>' + HOSTILE, "The logo can&#39;t contain &lt;script&gt;."),
        ({}, b"GIF89a", "The logo must be a PNG, WebP or SVG image."),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(
    app: Flask, branding: PageClient, values: dict[str, str], logo: bytes | None, message: str
) -> None:
    answer = save(branding, logo, **values)

    assert answer.status_code == 422
    assert message in answer.text
    with acting(app):
        assert db.session.scalar(select(func.count()).select_from(BrandVersion)) == 0


def test_the_preview_shows_contrasts_while_a_color_is_typed(branding: PageClient) -> None:
    fields = {**branding.form("/branding/"), "accent": "#ffcc00", "name": "Acme <b>"}

    part = branding.post("/branding/preview", data=fields, headers=HTMX)
    assert part.status_code == 200
    assert "Light pages: #ffcc00, contrast 1.3" in part.text
    assert "Choose a darker color." in part.text
    assert "Acme &lt;b&gt;" in part.text
    page = branding.post("/branding/preview", data=fields)
    assert 'value="#ffcc00"' in page.text
    assert "has a contrast of 1.3" in page.text
    for odd in ("", "#", "#12345g", "\u202e", "#ffffff" * 20):
        assert branding.post("/branding/preview", data={**fields, "accent": odd}).status_code == 200


def carried(page: str) -> list[str]:
    """The parts of a chosen logo in a page's form."""
    return re.findall(r'name="carried_logo" value="([^"]*)"', page)


@pytest.mark.parametrize("logo", [SVG, PNG + bytes(range(256)) * 700])
def test_a_chosen_logo_stays_chosen_after_a_preview_without_javascript(branding: PageClient, logo: bytes) -> None:
    fields = {**branding.form("/branding/"), "name": "First"}

    shown = branding.post("/branding/preview", data={**fields, "logo": (io.BytesIO(logo), "logo")}).text
    assert "The chosen file is in the preview and will be saved." in shown
    parts = carried(shown)
    assert b64decode("".join(parts)) == logo
    again = branding.post("/branding/preview", data={**fields, "accent": "green", "carried_logo": parts}).text
    assert carried(again) == parts
    other = {"logo": (io.BytesIO(PNG), "logo"), "carried_logo": parts, "removes_logo": "y"}
    assert b64decode("".join(carried(branding.post("/branding/preview", data={**fields, **other}).text))) == PNG
    removed = branding.post("/branding/preview", data={**fields, "carried_logo": parts, "removes_logo": "y"}).text
    assert carried(removed) == []
    assert branding.get("/static/logo").status_code == 404, "a preview isn't served"
    assert branding.post("/branding/", data={**fields, "carried_logo": parts}).status_code == 303
    assert branding.get("/static/logo").data == logo


def test_a_carried_logo_is_checked_like_a_file(branding: PageClient) -> None:
    fields = branding.form("/branding/")

    def sent(content: bytes) -> Any:
        text = b64encode(content).decode()
        parts = [text[start : start + 150_000] for start in range(0, len(text), 150_000)]
        return branding.post("/branding/", data={**fields, "carried_logo": parts}, content_type="multipart/form-data")

    for content, problem in (
        (HOSTILE, "The logo can&#39;t contain &lt;script&gt;."),
        (PNG + b"\0" * 200_001, "The logo must be at most 200 kB."),
        (b"GIF89a", "The logo must be a PNG, WebP or SVG image."),
    ):
        answer = sent(content)
        assert answer.status_code == 422
        assert problem in answer.text
        assert carried(answer.text) == []
    for odd in ("%", "é", "A", "PHN2Zz4=\n", "\U0001f600" * 9):
        assert branding.post("/branding/", data={**fields, "carried_logo": odd}).status_code in (303, 400)
    assert branding.get("/static/logo").status_code == 404


def test_changes_are_in_the_history_and_can_be_undone(app: Flask, branding: PageClient) -> None:
    save(branding, PNG, name="First", accent="#0b6e4f")
    page = branding.send("/branding/", {"name": "Second", "removes_logo": "y"}, follow_redirects=True)

    assert "Branding saved." in page.text
    with acting(app):
        events = select(Activity.changes, Activity.organization_id).where(Activity.action == "brand")
        changes = [tuple(one) for one in db.session.execute(events.order_by(Activity.id))]
    assert changes[0][0]["name"] == [None, "First"]
    assert changes[1][0]["name"] == ["First", "Second"]
    assert changes[1][0]["logo"][1] is None
    assert changes[1][0]["logo"][0].startswith("image/png, 33 bytes, SHA-256 ")
    assert [one[1] for one in changes] == [None, None], "organizations don't see it"
    assert "changed the branding" in branding.get("/activity/").text

    fields = branding.form("/branding/")
    undone = branding.post("/branding/restore", data={**fields, "version": "1"}, follow_redirects=True).text
    assert "Version 1 restored." in undone
    assert "<title>Branding · First</title>" in undone
    assert branding.get("/static/logo").data == PNG
    branding.post("/branding/restore", data={**fields, "version": "0"})
    assert "<title>Branding · Portal</title>" in branding.get("/branding/").text
    assert branding.get("/static/logo").status_code == 404
    for odd in ("99", "-1", "x", ""):
        assert branding.post("/branding/restore", data={**fields, "version": odd}).status_code == 404


def test_of_two_changes_at_once_the_second_is_not_saved(branding: PageClient) -> None:
    fields = branding.form("/branding/")
    save(branding, name="First")

    answer = branding.post("/branding/", data={**fields, "name": "Second"})
    assert answer.status_code == 409
    assert "Someone else saved changes while you were editing." in answer.text
    assert 'value="Second"' in answer.text
    for odd in ("", "x", "-1", "999999999", "9" * 30):
        assert branding.post("/branding/", data={**fields, "version": odd}).status_code == 409, odd


def test_saving_without_a_difference_adds_no_version(branding: PageClient) -> None:
    save(branding, name="First")
    save(branding)

    assert "Restore version 1" not in branding.get("/branding/").text


def test_the_database_refuses_other_roles(app: Flask, ada: Person, uma: Person) -> None:
    for person in (ada, uma):
        for statement in ("INSERT INTO brands (version, name) VALUES (1, 'x')", "SELECT * FROM brands"):
            with acting(app, person), pytest.raises(Exception, match="permission denied"):
                db.session.execute(text(statement))


def test_versions_are_never_changed(app: Flask, branding: PageClient) -> None:
    save(branding, name="First")

    with acting(app), pytest.raises(Exception, match="brands can only be added to"):
        db.session.execute(text("UPDATE brands SET name = 'x'"))


def test_other_processes_follow_within_seconds(app: Flask, branding: PageClient, other_client: PageClient) -> None:
    save(branding, name="First")
    brand.hold(app, float("inf"))  # what another process knows until it reads again
    assert "· Portal</title>" in other_client.get("/login").text
    assert other_client.get("/static/branding.css?v=newer").status_code == 404

    brand.hold(app, monotonic() + FRESH - 2)  # read two seconds ago
    assert "· Portal</title>" in other_client.get("/login").text
    newer = other_client.get("/static/branding.css?v=newer")
    assert '"F"' in newer.text, "a URL that another process gave"
    assert newer.headers["Cache-Control"] == "max-age=0", "it may be outdated"
    assert "· First</title>" in other_client.get("/login").text

    brand.hold(app)
    assert "· First</title>" in other_client.get("/login").text


@pytest.mark.parametrize("former", ["", "INSERT INTO brands (version, name) VALUES (1, 'Former')"])
def test_an_older_brand_from_a_backup_is_shown_without_a_restart(app: Flask, branding: PageClient, former: str) -> None:
    save(branding, name="First")
    save(branding, name="Second")

    @command
    def restore_backup() -> None:
        db.session.execute(text("SET LOCAL portal.retention = 'on'"))
        db.session.execute(text("DELETE FROM brands"))
        if former:
            db.session.execute(text(former))

    with acting(app):
        restore_backup()
    with app.test_request_context():
        brand.read()
    assert f"· {'Former' if former else 'Portal'}</title>" in branding.get("/branding/").text
    save(branding, name="Third")
    assert "· Third</title>" in branding.get("/branding/").text


def test_what_another_program_wrote_wrongly_is_left_out(app: Flask, branding: PageClient) -> None:
    @command
    def write() -> None:
        wrong = {"name": "{x}", "accent": "url(https://evil.example)", "logo": b"<html>", "logo_type": "text/html"}
        db.session.add(BrandVersion(version=1, **wrong))

    with acting(app):
        write()
    brand.hold(app)
    assert "· Portal</title>" in branding.get("/branding/").text
    assert branding.get("/static/logo").status_code == 404
    assert branding.get("/static/branding.css").status_code == 404
    assert save(branding, name="Fixed", accent="#0b6e4f", removes_logo="y").status_code == 303
