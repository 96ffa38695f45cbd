"""Permissions for teams."""

from __future__ import annotations

from portal.core.policy import ADMINS, Permissions

TEAMS = Permissions.of("teams", ADMINS)
