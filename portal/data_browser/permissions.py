"""The permission to use the data browser."""

from __future__ import annotations

from portal.core.policy import SUPER_ADMINS, Permission

DATA_BROWSER_READ = Permission("data_browser:read", SUPER_ADMINS, "Read all tables")
