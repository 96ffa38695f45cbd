"""Filters and globals for all templates."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from flask import Flask, request
from flask_login import current_user
from jinja2 import StrictUndefined, Template
from jinja2.ext import Extension
from markupsafe import Markup, escape

from portal.core.actor import Role, current_actor, has_actor
from portal.core.clock import local, now, zone
from portal.core.counts import LINKED_BOUND, number_of
from portal.core.email_addresses import readable_email
from portal.core.listing import Count
from portal.core.policy import allows
from portal.web import theme
from portal.web.agents import browser_of
from portal.web.given import Link, navigation, permissions
from portal.web.urls import here, home, path_of

MINUTE, HOUR, DAY = 60, 3600, 86_400
HUES = 6
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


class Unindented(Extension):
    """Reduces the indentation of pages to at most one space, which may separate words."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        return re.sub(r"\n[ \t]+", "\n ", source) if name and name.endswith(".html") else source


class OneModule(Template):
    """A template whose macros are made once. Otherwise each import would look for new globals, which no page adds."""

    def _get_default_module(self, ctx: Any = None) -> Any:
        return super()._get_default_module()


def init_app(app: Flask) -> None:
    app.jinja_env.template_class = OneModule
    app.jinja_env.add_extension(Unindented)
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    for function in (
        ago, iso, day, clock, exact, when, on_day, initials, hue, email, badge, count, compact, browser_of, number_of,
        linked,
    ):  # fmt: skip
        app.jinja_env.filters[function.__name__] = function
    app.jinja_env.globals |= {
        "can": can, "navigation": shown_links, "zone_name": zone_name, "here": here, "home": home, "icon": icon,
        "path_of": path_of,
    }  # fmt: skip
    app.context_processor(about_request)


def about_request() -> dict[str, Any]:
    person = current_user._get_current_object() if current_user else None
    return {
        "me": person if person and person.is_authenticated else None,
        "theme": theme.chosen(),
        "current_section": request.blueprint,
    }


def can(permission: str, row: Any = None) -> bool:
    """Whether to show a link or button: the actor has the permission, and may change this row."""
    if not has_actor():
        return False
    actor = current_actor()
    may = getattr(row, "may_be_changed_by", None)
    return allows(actor, permissions()[permission]) and (may is None or bool(may(actor)))


def shown_links() -> Iterator[tuple[Link, str, str]]:
    """The navigation links that the actor sees, each with label and URL."""
    if has_actor():
        for link in navigation():
            if target := link.target():
                yield link, *target


def ago(then: datetime, at: datetime | None = None) -> str:
    """`3 days ago`, `in 2 hours`; a date if it is a month or more away. Counted from now, or from `at`."""
    seconds = int(((at or now()) - then).total_seconds())
    size = abs(seconds)
    if size < MINUTE:
        return "just now"
    if size >= 30 * DAY:
        return day(then)
    if DAY <= seconds < 2 * DAY:
        return "yesterday"
    for unit, name in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if size >= unit:
            words = number_of(size // unit, name)
            return f"{words} ago" if seconds > 0 else f"in {words}"
    raise AssertionError("unreachable")


def iso(then: datetime) -> str:
    """For `<time datetime>`: RFC 3339, in UTC."""
    return f"{then.astimezone(UTC).isoformat()[:19]}Z"


def day(then: date) -> str:
    """`4 Mar 2025`, in the reader's time zone."""
    return _dated(local(then) if isinstance(then, datetime) else then)


def _dated(then: date) -> str:
    return f"{then.day} {MONTHS[then.month - 1]} {then.year}"


def clock(then: datetime) -> str:
    """`16:03`, in the reader's time zone."""
    return f"{local(then):%H:%M}"


def exact(then: datetime) -> str:
    """`4 Mar 2025, 16:03:10 CET`, in the reader's time zone."""
    then = local(then)
    return f"{_dated(then)}, {then.isoformat()[11:19]} {then.tzname()}"


def when(then: datetime) -> Markup:
    """A time as `ago` describes it; the exact one appears on hover."""
    return _time(then, ago(then))


def on_day(then: datetime) -> Markup:
    return _time(then, day(then))


def _time(then: datetime, words: str) -> Markup:
    return Markup(f'<time datetime="{iso(then)}" title="{exact(then)}">{words}</time>')  # noqa: S704 -- no markup inside


@cache
def icon(name: str) -> Markup:
    """An icon, drawn by static/vendor/tabler-icons/icons.css. Screen readers skip it."""
    return Markup('<i class="icon i-{}"></i>').format(name)


@cache
def badge(role: Role) -> Markup:
    kind = "role" if role is Role.USER else f"role role-{role.name}"
    return Markup('<span class="{}">{}</span>').format(kind, role.label)


def zone_name() -> str:
    """`UTC`, `Europe/Berlin`: the time zone of the page."""
    return str(zone())


def initials(name: str) -> str:
    words = [word for word in name.split("@")[0].replace(".", " ").split() if word]
    letters = [word[0] for word in (words[:1] + words[1:][-1:])]
    return "".join(letters).upper() or "?"


def hue(key: uuid.UUID) -> int:
    """One of six colors, always the same for a row."""
    return key.int % HUES + 1


def email(address: str) -> Markup:
    """An email address in readable form. It can wrap before @ and dots, and is copied without breaks."""
    text = str(escape(readable_email(address))).replace("@", "<wbr>@").replace(".", "<wbr>.")
    return Markup(text)  # noqa: S704 -- escaped above


def count(counted: Count) -> str:
    """`1,234`, `more than 10,000`, `about 1.2 million`."""
    if counted.kind == "about":
        return f"about {_rounded(counted.value)}"
    return f"more than {counted.value:,}" if counted.kind == "more" else f"{counted.value:,}"


def compact(counted: Count) -> str:
    """The same, abbreviated: `1,234`, `10,000+`, `1.2 M`."""
    if counted.kind == "about" and counted.value >= 1_000_000:
        return f"{counted.value / 1_000_000:.1f} M"
    if counted.kind == "about":
        return f"~{_rounded(counted.value)}"
    return f"{counted.value:,}+" if counted.kind == "more" else f"{counted.value:,}"


def _rounded(value: int) -> str:
    if value >= 1_000_000:
        return f"{value / 1_000_000:.1f} million"
    digits = max(len(str(value)) - 2, 0)
    return f"{round(value, -digits):,}"


def linked(counted: int) -> Count:
    """A number of linked rows, counted up to `LINKED_BOUND`."""
    return Count.bounded(counted, LINKED_BOUND)
