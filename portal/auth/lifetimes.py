"""How long does a sign-in hold here?"""

from __future__ import annotations

from datetime import timedelta

from portal.tokens.commands import Lifetime
from portal.web.given import current_settings


def lifetime(*, is_kept: bool) -> Lifetime:
    """As the settings say: longer unused, where the browser keeps it."""
    settings = current_settings()
    idle = settings.kept_idle_hours if is_kept else settings.idle_hours
    return Lifetime(timedelta(hours=idle), timedelta(hours=settings.session_hours), is_kept)
