"""A real SMTP server that keeps the emails it receives."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from portal.core.clock import now
from tests.ports import free_port

LOGIN = LoginPassword(b"portal", b"p@ss/word")


class Postbox:
    """`answer` is the server's reply to each email; `emails` are the accepted ones."""

    def __init__(self) -> None:
        self.emails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.answer = "250 OK"
        self.refuses = ""
        self.was_encrypted: list[bool] = []
        self.url = ""

    async def handle_RCPT(  # noqa: N802 -- the name that aiosmtpd requires
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if self.refuses:
            return self.refuses
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 -- the name that aiosmtpd requires
        if self.answer.startswith("250"):
            self.emails.append(message_from_bytes(envelope.content, policy=default))
            self.recipients += envelope.rcpt_tos
            self.was_encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        return self.answer


def _certificate(path: Path) -> Path:
    """A self-signed certificate for localhost, valid for an hour."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]),
    )
    begins = now() - timedelta(minutes=5)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = builder.not_valid_before(begins).not_valid_after(begins + timedelta(hours=1)).sign(key, hashes.SHA256())
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, *plain) + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@contextmanager
def postbox(
    *, starttls: bool = False, tls: bool = False, login: bool = False, smtputf8: bool = True
) -> Iterator[Postbox]:
    """Run the server in a thread; its address is `url`."""
    box, port = Postbox(), free_port()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.TemporaryDirectory() as folder:
        context.load_cert_chain(_certificate(Path(folder) / "localhost.pem"))
    options: dict[str, Any] = {"tls_context": context} if starttls else {"ssl_context": context} if tls else {}
    if login:
        options |= {"auth_required": True, "auth_require_tls": False, "authenticator": _authenticator}
    controller = Controller(box, hostname="127.0.0.1", port=port, enable_SMTPUTF8=smtputf8, **options)
    controller.start()
    login_part = "portal:p%40ss%2Fword@" if login else ""
    box.url = f"{'smtps' if tls else 'smtp'}://{login_part}127.0.0.1:{port}"
    try:
        yield box
    finally:
        controller.stop()


def _authenticator(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
    return AuthResult(success=given == LOGIN, handled=False)  # the server itself refuses the login
