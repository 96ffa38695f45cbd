"""Deliver emails to the SMTP server of PORTAL_SMTP_URL."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from urllib.parse import SplitResult, unquote, urlsplit

from portal.public_url import LOOPBACK

SECONDS = 20.0
PORTS = {"smtp": 587, "smtps": 465}


class Undelivered(Exception):
    """The server didn't accept the email, but may accept it later. The message contains no addresses."""


class Unwanted(Exception):
    """The server will never accept the email, for example because the address doesn't exist."""


class Unreachable(Exception):
    """The server can't be used. The message is a sentence with the reason."""


def probe(url: str) -> str:
    """Connect to the server as if to send an email, and describe the connection. Raises Unreachable."""
    address = urlsplit(url)
    place = f"{address.hostname}:{address.port or PORTS[address.scheme]}"
    try:
        with _connected(address) as server:
            server.noop()
            is_private = isinstance(server.sock, ssl.SSLSocket)
    except smtplib.SMTPAuthenticationError:
        raise Unreachable(f"{place} rejects the user name or password.") from None
    except smtplib.SMTPNotSupportedError:
        raise Unreachable(f"{place} doesn't support STARTTLS, or authentication after it.") from None
    except ssl.SSLError as error:
        raise Unreachable(f"{place}: the TLS connection failed ({error.reason}).") from None
    except OSError as error:
        raise Unreachable(f"{place} can't be reached ({type(error).__name__}).") from None
    tls = "with TLS" if is_private else "without TLS, on this machine"
    return f"{place} responds, {tls}" + (f", as {unquote(address.username)}" if address.username else "")


def deliver(message: EmailMessage, url: str) -> None:
    """Deliver the message. Raises Undelivered, Unwanted."""
    try:
        with _connected(urlsplit(url)) as server:
            _send(server, message)
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        raise _judged(max(codes, default=0), "the recipient was refused") from None  # its text contains the address
    except smtplib.SMTPDataError as error:
        raise _judged(error.smtp_code, "the email was refused") from None
    except OSError as error:  # network errors, and all other SMTP errors
        raise Undelivered(f"the mail server did not accept it: {type(error).__name__}") from None


def _send(server: smtplib.SMTP, message: EmailMessage) -> None:
    try:
        server.send_message(message)
    except smtplib.SMTPNotSupportedError:
        raise Unwanted("its address is not in ASCII, and the mail server doesn't support SMTPUTF8 (RFC 6531)") from None


def _judged(code: int, words: str) -> Undelivered | Unwanted:
    """Choose the error by the code: those that begin with 5 are permanent (RFC 5321, section 4.2.1)."""
    return (Unwanted if 500 <= code < 600 else Undelivered)(f"{words} ({code})")


@contextmanager
def _connected(address: SplitResult) -> Iterator[smtplib.SMTP]:
    """Connect with TLS, unless the server is on this machine and doesn't offer it."""
    host, port = address.hostname or "", address.port or PORTS[address.scheme]
    context = ssl.create_default_context()
    if host in LOOPBACK:  # local servers have self-signed certificates
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    server = (
        smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=context)
        if address.scheme == "smtps"
        else smtplib.SMTP(host, port, timeout=SECONDS)
    )
    with server:
        server.ehlo()
        if address.scheme == "smtp" and (host not in LOOPBACK or server.has_extn("starttls")):
            server.starttls(context=context)
        if address.username:
            server.login(unquote(address.username), unquote(address.password or ""))
        yield server
