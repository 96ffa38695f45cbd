"""The permission to change the brand of the installation."""

from __future__ import annotations

from portal.core.policy import SUPER_ADMINS, Permission

BRAND_WRITE = Permission("brand:write", SUPER_ADMINS, "Change product name, logo and accent color")
