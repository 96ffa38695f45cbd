"""Which features are there? What is registered is what you read."""

from __future__ import annotations

from datetime import timedelta

from flask import Flask

from portal.account.views import bp as account
from portal.activity.cli import register as add_activity_commands
from portal.activity.seals import CHECKS as SEALS
from portal.activity.seals import GAUGES as SEAL_GAUGES
from portal.activity.seals import seal_regularly
from portal.activity.views import bp as activity
from portal.api.repeats import KEPT
from portal.api.repeats import prune as remove_answers
from portal.api.views import bp as api
from portal.auth.letters import WRITERS
from portal.auth.mailed import bp as links
from portal.auth.views import bp as auth
from portal.browser.views import bp as browser
from portal.cli import plain
from portal.cli.checks import CHECKS as INSTALLATION
from portal.cli.commands import register as add_commands
from portal.core import throttle
from portal.core.leftovers import Leftover
from portal.dashboard.views import bp as dashboard
from portal.health.views import bp as health
from portal.mail.checks import CHECKS as MAIL
from portal.mail.cli import register as add_mail_commands
from portal.mail.commands import remove_given_up, remove_kept
from portal.mail.letters import write_with
from portal.mail.queue import work_beside_pages
from portal.mail.views import bp as mail
from portal.organizations.views import bp as organizations
from portal.second.views import bp as second
from portal.tokens.commands import prune as remove_sign_ins
from portal.tokens.views import bp as tokens
from portal.users.views import bp as users

PAGES = (health, auth, links, account, second, dashboard, organizations, users, activity, browser, tokens, mail, api)
BESIDE_PAGES = (seal_regularly, work_beside_pages)  # what `flask serve` starts in each of its processes
GAUGES = SEAL_GAUGES  # what /metrics reads from the database
CHECKS = (*INSTALLATION, *SEALS, *MAIL)  # the lines of `flask doctor`
LEFTOVERS = (  # what the worker removes once a day
    Leftover("sign-ins", lambda told: timedelta(days=told.keep_sign_ins_days), remove_sign_ins),
    Leftover("letters of the outbox", lambda told: timedelta(days=told.keep_letters_days), remove_kept),
    Leftover("letters given up", lambda told: timedelta(days=told.keep_letters_days), remove_given_up),
    Leftover("answers to programs", lambda _: KEPT, remove_answers),
    Leftover("counters of tries", lambda _: timedelta(0), throttle.prune),
)


def register(app: Flask) -> None:
    """Put every feature's pages and commands into the application."""
    for blueprint in PAGES:
        app.register_blueprint(blueprint)
    write_with(WRITERS)
    app.extensions["csrf"].exempt(api)  # where cookies count for nothing there is nothing to forge
    add_commands(app)
    add_activity_commands(app)
    add_mail_commands(app)
    plain.init_app(app)
    app.extensions["portal_beside_pages"] = BESIDE_PAGES
    app.extensions["portal_checks"] = CHECKS
    app.extensions["portal_gauges"] = GAUGES
    app.extensions["portal_leftovers"] = LEFTOVERS
