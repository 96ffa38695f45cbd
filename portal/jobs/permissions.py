"""The permissions to see and to control jobs."""

from __future__ import annotations

from portal.core.policy import ADMINS, Permission

JOBS_READ = Permission("jobs:read", ADMINS, "Read jobs")
JOBS_WRITE = Permission("jobs:write", ADMINS, "Cancel and retry jobs")
