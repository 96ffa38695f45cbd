"""The daily email about what people follow, at 7 o'clock in their time zone, if anything happened there.

Everything in it is read with the rights that the follower has when it is written.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import or_, select
from sqlalchemy.exc import DBAPIError

from portal.activity import follows, queries
from portal.activity.entries import Entry, entries_of
from portal.activity.filters import about
from portal.activity.models import Follow
from portal.activity.permissions import ACTIVITY_READ
from portal.activity.wording import action_of
from portal.auth.owners import owner_of
from portal.core.actor import SYSTEM, Actor
from portal.core.clock import bind_zone, local, now, unbind_zone
from portal.core.counts import number_of
from portal.core.db import acting_as, db
from portal.core.errors import Busy, Missing
from portal.core.operations import Operation
from portal.core.policy import allows
from portal.mail.message import Email
from portal.resources.resource import resources
from portal.users import links
from portal.users.models import full_name
from portal.web.zones import zone_named

log = logging.getLogger("portal")

HOUR = 7
NAMED, COUNTED = 5, 100  # operations of each that are named, and counted
SUBJECT = "Your daily digest"


@dataclass(frozen=True)
class Section:
    """What happened at one thing that is followed, newest first."""

    title: str
    entries: Sequence[Entry]
    total: int
    signs: int  # how many of them are about signing in


def send_due() -> None:
    """Queue the digests that are due. Several workers may call it at once."""
    with acting_as(SYSTEM):
        found = db.session.scalars(select(Follow).order_by(Follow.user_id)).all()
    for user_id, ones in groupby(found, lambda one: one.user_id):
        try:
            _send(user_id, list(ones))
        except (DBAPIError, Busy) as error:
            if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) is None:  # not from the server
                raise
            log.warning("a digest was not queued: %s", type(error).__name__)


def _send(user_id: uuid.UUID, followed: Sequence[Follow]) -> None:
    owner = owner_of(user_id)
    if owner is None:  # can't sign in now, but perhaps later
        return
    if not allows(owner, ACTIVITY_READ):
        follows.unfollow_all(user_id)
        return
    with acting_as(SYSTEM):
        person = links.person(user_id)
    due = last_time(zone_name=person.time_zone if person else None)
    if all(one.digest_until >= due for one in followed):
        return
    until = now()
    with acting_as(owner):
        seen = [_section(one, one.digest_until, until, user_id) for one in followed]
    with acting_as(SYSTEM):
        follows.begin_digest(
            user_id,
            due,
            until,
            lost=[one.id for one, section in zip(followed, seen, strict=True) if section is None],
            has_news=any(section and section.total for section in seen),
        )


def last_time(zone_name: str | None) -> datetime:
    """When digests were last due in a time zone."""
    here = now().astimezone(zone_named(zone_name))
    due = here.replace(hour=HOUR, minute=0, second=0, microsecond=0)
    return due if due <= here else due - timedelta(days=1)


def _section(one: Follow, since: datetime, until: datetime, reader: uuid.UUID) -> Section | None:
    """What others did there, as the current actor sees it; None if they don't see the row."""
    table, row_id = one.place
    try:
        row = resources()[table].one(row_id, with_deleted=True)
    except Missing:
        return None
    covered = (
        (Operation.organization_id == row_id, Operation.row_version.is_not(None))
        if table == "organizations"
        else (Operation.shown(), or_(Operation.actor_id == row_id, about([row_id])))
    )
    period = Operation.at >= since, Operation.at < until, Operation.actor_id.is_distinct_from(reader)
    newest = queries.operations().where(*covered, *period).order_by(Operation.at.desc(), Operation.key.desc())
    rows = db.session.execute(newest.limit(COUNTED + 1), execution_options={"with_deleted": True}).all()
    signs = sum(action_of(event).is_sign_in for event in rows)
    return Section(resources()[table].title_of(row), entries_of(rows[:NAMED], briefly=True), len(rows), signs)


def digest(user_id: uuid.UUID, _event: int | None) -> Email | None:
    """The email about the last period. None if the reader can no longer see any of it."""
    person = links.person(user_id)
    db.session.rollback()  # don't hold a connection while waiting for others
    owner = owner_of(user_id)
    if person is None or owner is None or not allows(owner, ACTIVITY_READ):
        return None
    followed = follows.followed_by(user_id)
    token = bind_zone(zone_named(person.time_zone))
    try:
        sections = _sections(owner, followed, user_id)
        lines = [line for section in sections for line in _lines(section)]
    finally:
        unbind_zone(token)
    if not lines:
        return None
    return Email(
        recipient=person.email,
        subject=SUBJECT,
        greeting=f"Hello {full_name(person.first_name, person.last_name, person.email)},",
        paragraphs=lines,
        link=links.url_of("activity.index"),
        verb="View activity",
        closing=(
            "You get this email because you follow what it is about. It is sent at most once a day.",
            f"Unsubscribe: {follows.unsubscribe_url(user_id)}",
        ),
        unsubscribe=follows.unsubscribe_url(user_id),
    )


def _sections(owner: Actor, followed: Sequence[Follow], reader: uuid.UUID) -> list[Section]:
    with acting_as(owner):
        seen = [_section(one, one.digest_from, one.digest_until, reader) for one in followed]
    return [section for section in seen if section and section.total]


def _lines(section: Section) -> list[str]:
    lines = [f"{section.title}: {_total(section)}"]
    for one in section.entries:
        at = local(one.at)
        lines.append(f"{at.day} {at:%b, %H:%M}: {' '.join(filter(None, (one.actor, one.what, one.subject)))}")
    if section.total > NAMED:
        lines.append("Activity lists the rest.")
    return lines


def _total(section: Section) -> str:
    """How much happened: signing in and out, also failing to, is counted apart from changes."""
    if section.total > COUNTED:
        return f"more than {COUNTED} changes and sign-in events" if section.signs else f"more than {COUNTED} changes"
    changes, signs = section.total - section.signs, section.signs
    counted = ((changes, "change", "changes"), (signs, "sign-in event", "sign-in events"))
    return ", ".join(number_of(*one) for one in counted if one[0])
