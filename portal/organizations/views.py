"""The pages of organizations: those that every resource has."""

from __future__ import annotations

from portal.organizations.resource import resource
from portal.resources.blueprint import blueprint

bp = blueprint(resource)
