"""The contents of an email. Features in higher layers provide a function for each kind."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.headerregistry import HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import format_datetime, make_msgid, parseaddr
from typing import Any

from portal.core.clock import now
from portal.web.given import Given
from portal.web.rendering import text_of


@dataclass(frozen=True)
class Email:
    """An email to one address. `paragraphs` come first, then a button that opens `link`, then `closing`.

    A POST to the URL `unsubscribe` ends emails of its kind, which email programs offer as a button (RFC 8058).
    """

    recipient: str
    subject: str
    greeting: str
    paragraphs: Sequence[str]
    link: str | None = None
    verb: str = ""
    closing: Sequence[str] = ()
    unsubscribe: str | None = None

    def content(self, form: str) -> str:
        """The body in the format `txt` or `html`."""
        return text_of(f"mail/email.{form}", email=self)


class _OnOneLine(UnstructuredHeader):
    """A header that is never folded, because that would encode a long URL."""

    def fold(self, *, policy: Policy[Any]) -> str:
        return f"{self.name}: {self}{policy.linesep}"  # type: ignore[attr-defined]


HEADERS = HeaderRegistry()
HEADERS.map_to_type("list-unsubscribe", _OnOneLine)  # type: ignore[arg-type]
POLICY = SMTP.clone(header_factory=HEADERS)
Writer = Callable[[uuid.UUID, int | None], Email | None]
# The functions that write each kind of email, given the ids of a person and an event; None if none is due.
writers: Given[Mapping[str, Writer]] = Given("writers of emails")


def written(kind: str, user_id: uuid.UUID, event: int | None = None) -> Email | None:
    """The email with current data; None if it is no longer due."""
    return writers()[kind](user_id, event)


def message_of(email: Email, sender: str) -> EmailMessage:
    """A message with plain text and HTML. Raises ValueError if a header contains a line break."""
    message: Any = EmailMessage(policy=POLICY)
    message["From"] = sender
    message["To"] = email.recipient
    message["Subject"] = email.subject
    message["Date"] = format_datetime(now())
    message["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: prevents out-of-office replies
    if email.unsubscribe:
        message["List-Unsubscribe"] = f"<{email.unsubscribe}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(email.content("txt"))
    message.add_alternative(email.content("html"), subtype="html")
    return message  # type: ignore[no-any-return]
