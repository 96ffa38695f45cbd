"""Flash whether an email was sent, or couldn't be because email is not set up."""

from __future__ import annotations

from flask import flash

from portal.web.given import current_settings


def can_send() -> bool:
    """Whether a mail server is set up; the demo's outbox counts as one."""
    settings = current_settings()
    return settings.missing_for_mail is None


def flash_sent(sent: str, what: str, instead: str = "") -> None:
    """Flash `sent`; without a mail server, flash that `what` was not sent, and what to do `instead`."""
    if can_send():
        flash(sent, "success")
    else:
        flash(f"{what} was not sent: email is not set up. {instead}".strip(), "error")
