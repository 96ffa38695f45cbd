"""What needs attention: lists that should be empty."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from flask import url_for

from portal.core.actor import current_actor
from portal.core.clock import local, now
from portal.core.counts import BOUND
from portal.core.db import read
from portal.core.listing import Count, Listing
from portal.core.policy import allows
from portal.jobs import queries as jobs
from portal.jobs.permissions import JOBS_READ
from portal.mail.permissions import OUTBOX_READ
from portal.mail.queries import number_of_failed
from portal.organizations.permissions import ORGANIZATIONS_LIST
from portal.organizations.resource import resource as organizations
from portal.users import queries as users
from portal.web.activity_feed import feed
from portal.web.jinja import can

Words = tuple[str, str]  # after the number 1, and after other numbers
TWO_FACTOR = "two-factor authentication"
GUESSED = ("burst of failed attempts since yesterday", "bursts of failed attempts since yesterday")


@dataclass(frozen=True)
class Concern:
    """A number of rows that somebody should look at, and the list of exactly these."""

    words: Words
    count: Count
    url: str

    @property
    def phrase(self) -> str:
        return self.words[self.count != Count(1)]


def watched() -> Iterator[tuple[Words, Listing]]:
    """The lists that the actor should keep empty."""
    actor = current_actor()
    if actor.is_unlimited:
        yield _without("super administrator", TWO_FACTOR), _people("SUPER_ADMIN")
    yield _without("administrator", TWO_FACTOR), _people("ADMIN")
    if allows(actor, ORGANIZATIONS_LIST):
        listed = organizations.listing({"administrators": "none"}, organizations.url("index"), {})
        yield _without("organization", "an active administrator"), listed
    soon = users.listing({"invitation": "expiring"}, url_for("users.index"))
    yield ("invitation expires soon", "invitations expire soon"), soon
    if allows(actor, JOBS_READ):
        yield ("failed job", "failed jobs"), jobs.listing({"status": "failed"}, url_for("jobs.index"))
    if can("activity:read"):
        since = (local(now()) - timedelta(days=1)).date()
        guessed = feed().listing({"action": "rate_limited", "from": since.isoformat()}, url_for("activity.index"))
        yield GUESSED, guessed


def failed_emails() -> Iterator[Concern]:
    if allows(current_actor(), OUTBOX_READ):
        count = Count.bounded(read(number_of_failed())[0][0], BOUND)
        yield Concern(("failed email", "failed emails"), count, url_for("mail.failed"))


def _without(noun: str, what: str) -> Words:
    return f"{noun} without {what}", f"{noun}s without {what}"


def _people(role: str) -> Listing:
    return users.listing({"role": role, "two_factor": "no"}, url_for("users.index"))
