"""Which features are there? What is registered is what you read."""

from __future__ import annotations

from flask import Flask

from portal.account.views import bp as account
from portal.activity.cli import register as add_activity_commands
from portal.activity.seals import seal_regularly
from portal.activity.views import bp as activity
from portal.auth.views import bp as auth
from portal.cli import plain
from portal.cli.commands import register as add_commands
from portal.dashboard.views import bp as dashboard
from portal.health.views import bp as health
from portal.organizations.views import bp as organizations
from portal.users.views import bp as users

PAGES = (health, auth, account, dashboard, organizations, users, activity)
BESIDE_PAGES = (seal_regularly,)  # what `flask serve` starts in each of its processes


def register(app: Flask) -> None:
    """Put every feature's pages and commands into the application."""
    for blueprint in PAGES:
        app.register_blueprint(blueprint)
    add_commands(app)
    add_activity_commands(app)
    plain.init_app(app)
    app.extensions["portal_beside_pages"] = BESIDE_PAGES
