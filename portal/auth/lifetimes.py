"""How long does a sign-in hold here?"""

from __future__ import annotations

from datetime import timedelta

from flask import current_app

from portal.config import Settings
from portal.tokens.commands import Lifetime


def lifetime(*, is_kept: bool) -> Lifetime:
    """As the settings say: longer unused, where the browser keeps it."""
    settings: Settings = current_app.extensions["portal"]
    idle = settings.kept_idle_hours if is_kept else settings.idle_hours
    return Lifetime(timedelta(hours=idle), timedelta(hours=settings.sign_in_hours), is_kept)
