"""A real SMTP server of the tests' own, which keeps what it is given."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

CERTIFICATE = Path(__file__).with_name("localhost.pem")  # made for this, trusted by nobody
LOGIN = LoginPassword(b"portal", b"p@ss/word")


class Postbox:
    """`answer` is what the server says to each letter; `letters` are those that it took."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.answer = "250 OK"
        self.refuses = ""
        self.was_encrypted: list[bool] = []
        self.url = ""

    async def handle_RCPT(  # noqa: N802 -- the server's word
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if self.refuses:
            return self.refuses
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 -- the server's word
        if self.answer.startswith("250"):
            self.letters.append(message_from_bytes(envelope.content, policy=default))
            self.recipients += envelope.rcpt_tos
            self.was_encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        return self.answer


@contextmanager
def postbox(*, starttls: bool = False, tls: bool = False, login: bool = False) -> Iterator[Postbox]:
    """It runs in a thread, at an address that `url` holds."""
    box, port = Postbox(), free_port()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    options: dict[str, Any] = {"tls_context": context} if starttls else {"ssl_context": context} if tls else {}
    if login:
        options |= {"auth_required": True, "auth_require_tls": False, "authenticator": _authenticator}
    controller = Controller(box, hostname="127.0.0.1", port=port, **options)
    controller.start()
    who = "portal:p%40ss%2Fword@" if login else ""
    box.url = f"{'smtps' if tls else 'smtp'}://{who}127.0.0.1:{port}"
    try:
        yield box
    finally:
        controller.stop()


def _authenticator(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
    return AuthResult(success=given == LOGIN)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
