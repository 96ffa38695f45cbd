"""The permission to see the dashboard."""

from __future__ import annotations

from portal.core.policy import ADMINS, Permission

DASHBOARD_READ = Permission("dashboard:read", ADMINS, "Read the dashboard")
