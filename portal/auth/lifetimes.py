"""The lifetime of sessions, from the settings."""

from __future__ import annotations

from datetime import timedelta

from portal.tokens.commands import Lifetime
from portal.web.given import current_settings


def lifetime(*, is_kept: bool) -> Lifetime:
    """The lifetime of a new session. It may be unused for longer if the browser keeps it."""
    settings = current_settings()
    idle = settings.kept_idle_hours if is_kept else settings.idle_hours
    return Lifetime(timedelta(hours=idle), timedelta(hours=settings.session_hours), is_kept)
