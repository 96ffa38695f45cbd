"""What does a page say of an email: that it is on its way, or that none can be sent?"""

from __future__ import annotations

from flask import current_app, flash

from portal.config import Settings


def can_send() -> bool:
    """Whether a mail server is set up; the demo's outbox counts."""
    settings: Settings = current_app.extensions["portal"]
    return settings.missing_for_mail is None


def flash_sent(sent: str, what: str, instead: str = "") -> None:
    """Say `sent` on the next page; without a mail server say that `what` was not sent, and what to do `instead`."""
    if can_send():
        flash(sent, "success")
    else:
        flash(f"{what} was not sent: email is not set up. {instead}".strip(), "error")
