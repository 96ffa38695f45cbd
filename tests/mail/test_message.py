"""Emails have the same content as text and as HTML, and correct headers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask

from portal.auth.emails import WRITERS
from portal.mail.commands import KINDS
from portal.mail.message import Email, message_of
from portal.users import inactivity
from tests.acting import acting

SENDER = "Portal <portal@example.com>"
EMAIL = Email(
    recipient="uma@example.com",
    subject="A subject",
    greeting="Hello <b>Uma</b>,",
    paragraphs=("The first sentence & the second.",),
    link="https://portal.example.com/verify/abc",
    verb="Confirm",
    closing=("The last one.",),
)


def test_an_email_has_the_same_content_as_plain_text_and_html(app: Flask) -> None:
    with acting(app):
        message = message_of(EMAIL, SENDER)
    plain, html = (part.get_content() for part in message.iter_parts())

    assert " ".join(plain.split()) == (
        "Hello <b>Uma</b>, The first sentence & the second. Confirm: https://portal.example.com/verify/abc"
        " The last one. Portal"
    )
    for words in ("Hello &lt;b&gt;Uma&lt;/b&gt;,", "The first sentence &amp; the second.", "The last one."):
        assert words in html
    assert html.count("https://portal.example.com/verify/abc") == 2
    assert message.get_content_type() == "multipart/alternative"


def test_an_email_has_the_required_headers(app: Flask) -> None:
    with acting(app):
        message = message_of(EMAIL, SENDER)

    assert (message["From"], message["To"], message["Subject"]) == (SENDER, "uma@example.com", "A subject")
    assert message["Date"]
    assert message["Message-ID"].endswith("@example.com>")
    assert message["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize("field", ["recipient", "subject"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_a_line_break_cannot_inject_a_header(app: Flask, field: str, end: str) -> None:
    evil = replace(EMAIL, **{field: f"uma@example.com{end}Bcc: eve@example.com"})

    with acting(app), pytest.raises(ValueError, match="newline|linefeed"):
        message_of(evil, SENDER)


def test_every_kind_of_email_has_a_writer() -> None:
    assert {*WRITERS, "digest", inactivity.EMAIL} == KINDS
