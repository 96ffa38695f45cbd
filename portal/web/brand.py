"""The installation's name, accent color and logo, as this process knows them.

They are read again once they are a few seconds old, so that every process follows a change, and no page waits for them.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from flask import Flask, request
from sqlalchemy.exc import SQLAlchemyError

from portal.branding import DEFAULT, Accent, Logo
from portal.config import Settings
from portal.web.given import Given, current_settings
from portal.web.session import UNBOUND

FRESH = 5.0  # seconds
log = logging.getLogger("portal")


@dataclass(frozen=True)
class Brand:
    """A version of what a SUPER_ADMIN chose; None is not chosen."""

    version: int = 0
    name: str | None = None
    accent: Accent | None = None
    logo: Logo | None = None
    at: datetime | None = None  # when it was saved


@dataclass
class _Held:
    chosen: Brand
    due: float  # when to read it again
    shown: tuple[Settings | None, Brand, Brand]  # what is shown of the settings and the brand


other_than: Given[Callable[[Brand], Brand | None]] = Given("other version of the brand")
_held: Given[_Held] = Given("brand")


def init_app(app: Flask) -> None:
    hold(app)
    app.before_request(_follow)


def hold(app: Flask, due: float = -math.inf) -> None:
    """Forget what was read, and read it again from `due` on, a time of the monotonic clock."""
    _held.set(app, _Held(Brand(), due, (None, Brand(), Brand())))


def _follow() -> None:
    if request.endpoint not in UNBOUND:
        follow()


def follow(oldest: float = FRESH) -> None:
    """Read another version, if the last attempt is at least `oldest` seconds ago."""
    if monotonic() >= _held().due - FRESH + oldest:
        read()


def read() -> None:
    """Read the newest version, if it isn't this one. Without a database, keep this one."""
    held = _held()
    held.due = monotonic() + FRESH  # first, so that other threads don't read it too
    try:
        held.chosen = other_than()(held.chosen) or held.chosen
    except SQLAlchemyError as error:
        log.warning("the brand could not be read: %s", type(error).__name__)


def brand() -> Brand:
    """What is shown: what was chosen in the portal, else by the operator, else None or the portal's own name."""
    held, settings = _held(), current_settings()
    chosen, (of, known, shown) = held.chosen, held.shown
    if of is not settings or known is not chosen:
        shown = Brand(
            chosen.version,
            chosen.name or settings.product_name,
            chosen.accent or settings.accent,
            chosen.logo or settings.logo,
        )
        held.shown = settings, chosen, shown
    return shown


def product() -> str:
    """The product's name in this installation."""
    return _held().chosen.name or current_settings().product_name


def accent_of_emails() -> str:
    """The accent color on white, as #rrggbb."""
    return (brand().accent or DEFAULT).light
