"""Delivery to a real SMTP server, with TLS and a login, and its failures."""

from __future__ import annotations

from email.message import EmailMessage

import pytest

from portal.mail import post
from portal.mail.post import Undelivered, Unwanted, deliver
from tests.mail.postbox import postbox
from tests.ports import free_port

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


@pytest.fixture
def message() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "portal@example.com", "uma@example.com", "Hello"
    message.set_content("Hello.")
    return message


@pytest.mark.parametrize(("starttls", "tls"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("login", [False, True])
def test_an_email_is_delivered(message: EmailMessage, *, starttls: bool, tls: bool, login: bool) -> None:
    with postbox(starttls=starttls, tls=tls, login=login) as box:
        deliver(message, box.url)

        assert box.recipients == ["uma@example.com"]
        assert box.was_encrypted == [starttls or tls]


@pytest.mark.parametrize("tls", [True, False])
def test_remote_servers_need_tls_and_a_trusted_certificate(
    message: EmailMessage, monkeypatch: pytest.MonkeyPatch, *, tls: bool
) -> None:
    monkeypatch.setattr(post, "LOOPBACK", ())
    for starttls in (False, not tls):
        with postbox(starttls=starttls, tls=tls) as box:
            with pytest.raises(Undelivered):
                deliver(message, box.url)
            assert box.emails == []


def test_a_wrong_smtp_password_keeps_the_email_for_later(message: EmailMessage) -> None:
    with postbox(login=True) as box, pytest.raises(Undelivered):
        deliver(message, box.url.replace("p%40ss", "wrong"))


def test_an_unreachable_server_keeps_the_email_for_later(message: EmailMessage) -> None:
    with pytest.raises(Undelivered):
        deliver(message, f"smtp://127.0.0.1:{free_port()}")


@pytest.mark.parametrize("smtputf8", [True, False])
def test_an_international_address_needs_smtputf8_or_fails_with_a_reason(
    message: EmailMessage, *, smtputf8: bool
) -> None:
    del message["To"]
    message["To"] = "josé@example.com"
    with postbox(smtputf8=smtputf8) as box:
        if smtputf8:
            deliver(message, box.url)
            assert box.recipients == ["josé@example.com"]
        else:
            with pytest.raises(Unwanted, match="SMTPUTF8"):
                deliver(message, box.url)


@pytest.mark.parametrize(("code", "kind"), [("450 Later", Undelivered), ("550 Nobody", Unwanted)])
def test_a_refusal_is_temporary_or_permanent_and_omits_the_recipient(
    message: EmailMessage, code: str, kind: type[Exception]
) -> None:
    with postbox() as box:
        for name in ("refuses", "answer"):
            setattr(box, name, code)
            with pytest.raises(kind) as raised:
                deliver(message, box.url)
            assert "uma" not in str(raised.value)
            setattr(box, name, "250 OK" if name == "answer" else "")
