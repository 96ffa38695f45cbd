"""Filters and globals for all templates."""

from __future__ import annotations

import re
import uuid
from collections.abc import Hashable
from datetime import UTC, date, datetime
from functools import cache, lru_cache
from typing import Any

from flask import Flask, g, request
from flask_login import current_user
from jinja2 import StrictUndefined, Template
from jinja2.ext import Extension
from jinja2.runtime import Context, Macro
from markupsafe import Markup

from portal.core.actor import Role, current_actor, has_actor
from portal.core.clock import local, now, zone
from portal.core.counts import number_of
from portal.core.days import MONTHS, dated
from portal.core.email_addresses import readable_email
from portal.core.listing import Count
from portal.core.policy import allows
from portal.web import theme
from portal.web.agents import browser_of
from portal.web.brand import accent_of_emails, product
from portal.web.controls import attributes_of
from portal.web.csrf import csrf_token
from portal.web.escaping import escaped
from portal.web.given import navigation, permissions
from portal.web.urls import here, home, path_of, same_page

MINUTE, HOUR, DAY = 60, 3600, 86_400
HUES = 6


class Unindented(Extension):
    """Reduces the indentation of pages to at most one space, which may separate words."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        return re.sub(r"\n[ \t]+", "\n ", source) if name and name.endswith(".html") else source


class OneModule(Template):
    """A template whose macros are made once. Otherwise each import would look for new globals, which no page adds."""

    def _get_default_module(self, ctx: Any = None) -> Any:
        return super()._get_default_module()


class Direct(Context):
    """Call functions directly. Jinja first asks each of them, for every icon and link, whether it wants the context: of
    those in our templates, only macros do.
    """

    def call(self, called: Any, /, *args: Any, _loop_vars: Any = None, _block_vars: Any = None, **kwargs: Any) -> Any:
        if type(called) is Macro:
            return called(self.eval_ctx, *args, **kwargs)
        return called(*args, **kwargs)


def init_app(app: Flask) -> None:
    app.jinja_env.template_class = OneModule
    app.jinja_env.context_class = Direct
    app.jinja_env.add_extension(Unindented)
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    for function in (
        ago, iso, day, clock, exact, when, on_day, initials, hue, email, badge, count, compact, browser_of, number_of,
    ):  # fmt: skip
        app.jinja_env.filters[function.__name__] = function
    app.jinja_env.globals |= {
        "can": can, "navigation": shown_links, "zone_name": zone_name, "here": here, "home": home, "icon": icon,
        "path_of": path_of, "same_page": same_page, "once": once, "product": product,
        "accent_of_emails": accent_of_emails, "attributes_of": attributes_of, "csrf_token": csrf_token,
    }  # fmt: skip
    app.context_processor(about_request)


def about_request() -> dict[str, Any]:
    person = current_user._get_current_object()
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


def shown_links(section: str | None) -> tuple[tuple[str, str, str, bool, str], ...]:
    """The navigation links that the actor sees: URL, icon, label, whether it is the page's, and a note.

    A list is followed by its saved views, which have no icon.
    """
    targets = [(link, target) for link in navigation() if (target := link.target())] if has_actor() else []
    views = current_user.views if targets else ()
    shown: list[tuple[str, str, str, bool, str]] = []
    for link, (label, url) in targets:
        is_current, own = section in link.sections, [one for one in views if one.list_name in link.sections]
        opened = g.get("opened_view") if is_current and own else ""
        shown.append((url, link.icon, label, is_current and all(one.id != opened for one in own), link.note()))
        shown += ((f"{url}?view={one.id}", "", one.name, one.id == opened, "") for one in own)
    return tuple(shown)


@lru_cache(maxsize=500)
def once(macro: Macro, *given: Hashable) -> Markup:
    """What an imported macro renders, remembered: only for macros that use nothing but what they are given."""
    return Markup(macro(*given))  # noqa: S704 -- macros escape


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
    length, unit = (DAY, "day") if size >= DAY else (HOUR, "hour") if size >= HOUR else (MINUTE, "minute")
    words = number_of(size // length, unit)
    return f"{words} ago" if seconds > 0 else f"in {words}"


def iso(then: datetime) -> str:
    """For `<time datetime>`: RFC 3339, in UTC."""
    return f"{then.astimezone(UTC).isoformat()[:19]}Z"


def day(then: date) -> str:
    """`4 Mar 2025`, in the reader's time zone."""
    return dated(local(then) if isinstance(then, datetime) else then)


def clock(then: datetime) -> str:
    """`16:03`, in the reader's time zone."""
    return f"{local(then):%H:%M}"


def exact(then: datetime, *, seconds: bool = True) -> str:
    """`4 Mar 2025, 16:03:10 CET`, in the reader's time zone."""
    then = local(then)
    clock = then.isoformat()[11 : 19 if seconds else 16]
    return f"{then.day} {MONTHS[then.month - 1]} {then.year}, {clock} {then.tzname()}"


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
    words = name.partition("@")[0].replace(".", " ").split()
    letters = f"{words[0][0]}{words[-1][0] if len(words) > 1 else ''}" if words else "?"
    return letters.upper()


def hue(key: uuid.UUID) -> int:
    """One of six colors, always the same for a row."""
    return key.int % HUES + 1


def link(url: str, text: str) -> Markup:
    return Markup(f'<a href="{escaped(url)}">{escaped(text)}</a>')  # noqa: S704


def email(address: str) -> Markup:
    """An email address in readable form. It can wrap before @ and dots, and is copied without breaks."""
    text = escaped(readable_email(address)).replace("@", "<wbr>@").replace(".", "<wbr>.")
    return Markup(text)  # noqa: S704 -- escaped above


def count(counted: Count) -> str:
    """`1,234`, `more than 10,000`, `about 1.2 million`."""
    if counted.kind == "about":
        return f"about {_rounded(counted.value)}"
    return f"more than {counted.value:,}" if counted.kind == "more" else f"{counted.value:,}"


def compact(counted: Count | None) -> str:
    """The same, abbreviated: `1,234`, `10,000+`, `1.2 M`. Empty for an unknown number."""
    if counted is None:
        return ""
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
