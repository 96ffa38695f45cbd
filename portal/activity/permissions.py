"""The permission to read the history."""

from __future__ import annotations

from portal.core.policy import ADMINS, Permission

ACTIVITY_READ = Permission("activity:read", ADMINS, "Read the activity")
