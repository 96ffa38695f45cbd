"""Checks of `flask doctor`: can emails be sent, and does the queue move?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from portal.core.checks import Check, CheckFailed
from portal.core.clock import now
from portal.core.counts import number_of
from portal.core.db import db
from portal.mail.post import Unreachable, probe
from portal.mail.queries import state_of_queue
from portal.mail.queue import STALLED_SECONDS
from portal.web.given import current_settings

LONGEST = timedelta(minutes=10)


def mail() -> str:
    settings = current_settings()
    if settings.missing_for_mail:
        raise CheckFailed(settings.missing_for_mail)
    if settings.smtp_url is None:
        return "no mail server is set, so emails are kept at /outbox/"
    try:
        return probe(settings.smtp_url)
    except Unreachable as error:
        raise CheckFailed(f"{error} Check PORTAL_SMTP_URL.") from None


def queue() -> str:
    found = db.session.execute(state_of_queue(timedelta(seconds=STALLED_SECONDS))).one()
    wait = now() - found.since if found.since else timedelta(0)
    if found.due and not found.workers:
        raise CheckFailed(f"{_waiting(found)}, and no worker is running: start `flask worker` or `flask serve`.")
    if wait > LONGEST:
        raise CheckFailed(f"{_waiting(found)}, although a worker is running; see its log.")
    return "; ".join(
        (
            _waiting(found),
            f"{found.later} to be retried, {found.failed} failed (see the log)",
            number_of(found.workers, "worker"),
        )
    )


def _waiting(found: Any) -> str:
    since: datetime | None = found.since
    return f"{found.due} waiting" + (f" since {since:%Y-%m-%d %H:%M} UTC" if found.due and since else "")


CHECKS = (Check("mail", mail, needs_database=False), Check("queue", queue))
