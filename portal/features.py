"""The list of features. Only what is listed here is registered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import click
from flask import Blueprint, Flask

from portal.account.views import bp as account
from portal.activity import digests, seals
from portal.activity.actions import ACTIONS as ACTIVITY_ACTIONS
from portal.activity.cli import activity as activity_commands
from portal.activity.follow_views import bp as follows
from portal.activity.follow_views import unsubscribing
from portal.activity.operation_undo import KIND as UNDO
from portal.activity.permissions import ACTIVITY_READ
from portal.activity.views import Feed, of_resource
from portal.activity.views import bp as activity
from portal.adoption.takeover import ADOPTION
from portal.api import access, repeats
from portal.api.actions import ACTIONS as API_ACTIONS
from portal.api.views import bp as api
from portal.auth import commands as authentication
from portal.auth import viewing, viewing_views
from portal.auth.actions import ACTIONS as AUTH_ACTIONS
from portal.auth.emails import WRITERS
from portal.auth.mailed import bp as links
from portal.auth.owners import owner_of
from portal.auth.views import bp as auth
from portal.brand.actions import BRAND
from portal.brand.commands import other_than
from portal.brand.permissions import BRAND_WRITE
from portal.brand.views import bp as branding
from portal.cli import plain
from portal.cli.checks import CHECKS as INSTALLATION
from portal.cli.commands import COMMANDS
from portal.cli.doctor import checks
from portal.cli.serve import background
from portal.config import Settings
from portal.core import rate_limit, spelling
from portal.core.actions import Action
from portal.core.checks import Check, Gauge
from portal.core.policy import Permission
from portal.core.retention import RetentionRule
from portal.dashboard.permissions import DASHBOARD_READ
from portal.dashboard.reports import bp as reports
from portal.dashboard.views import bp as dashboard
from portal.data_browser.actions import ACTIONS as BROWSER_ACTIONS
from portal.data_browser.permissions import DATA_BROWSER_READ
from portal.data_browser.views import bp as data_browser
from portal.demo_data.seed import SEED_ADDED
from portal.health.views import bp as health
from portal.imports.applying import JOBS as IMPORT_JOBS
from portal.imports.commands import remove_old as remove_imports
from portal.imports.views import bp as imports
from portal.jobs import news, running
from portal.jobs.commands import remove_ended
from portal.jobs.kinds import JobKind, kinds
from portal.jobs.permissions import JOBS_READ, JOBS_WRITE
from portal.jobs.views import bp as jobs
from portal.mail.checks import CHECKS as MAIL
from portal.mail.cli import worker
from portal.mail.commands import RETENTION as EMAIL_RETENTION
from portal.mail.message import Writer, writers
from portal.mail.permissions import OUTBOX_READ
from portal.mail.queue import recurring, retention_rules, work_in_background
from portal.mail.views import bp as mail
from portal.mfa.actions import ACTIONS as MFA_ACTIONS
from portal.mfa.views import bp as mfa
from portal.organizations.members import members
from portal.organizations.own_pages import OWN_PAGES
from portal.organizations.purge_job import KIND as PURGE_ORGANIZATION
from portal.organizations.resource import resource as tenants
from portal.organizations.slugs import bp as slugs
from portal.organizations.views import bp as organizations
from portal.resources.actions import ACTIONS as RESOURCE_ACTIONS
from portal.resources.blueprint import blueprint
from portal.resources.bulk_jobs import job_kinds
from portal.resources.buttons import buttons_of
from portal.resources.linking import blueprint_of
from portal.resources.relation import Relation, relations
from portal.resources.resource import Resource, resources
from portal.saved_views.resource import resource as views
from portal.saved_views.views import bp as saved_views
from portal.search.views import bp as search
from portal.teams import sizes
from portal.teams.resource import members as team_members
from portal.teams.resource import resource as teams
from portal.tokens.actions import ACTIONS as TOKEN_ACTIONS
from portal.tokens.commands import prune as remove_sessions
from portal.tokens.views import bp as tokens
from portal.users import growth, inactivity, inactivity_views, schedule, totals
from portal.users.actions import ACTIONS as USER_ACTIONS
from portal.users.membership import People
from portal.users.permissions import USERS as PEOPLE
from portal.users.queries import names_of
from portal.users.resource import resource as persons
from portal.users.views import bp as users
from portal.web import activity_feed, brand, people, reauthentication, session
from portal.web.destinations import page
from portal.web.error_pages import REFUSED
from portal.web.given import Link, Provision, actions, current_settings, found, lists, navigation, permissions
from portal.web.observing import gauges


@dataclass(frozen=True)
class Feature:
    """What a feature adds to the application."""

    pages: tuple[Blueprint, ...] = ()
    resource: Resource[Any] | None = None
    relations: tuple[Relation, ...] = ()  # of its rows with those of other resources
    permissions: tuple[Permission, ...] = ()
    actions: tuple[Action, ...] = ()  # what it records in the history
    links: tuple[Link, ...] = ()  # in the navigation
    found: tuple[Link, ...] = ()  # further pages and actions, which only the search lists
    commands: tuple[click.Command, ...] = ()
    provides: tuple[Provision[Any], ...] = ()  # values that lower layers use but can't import
    emails: Mapping[str, Writer] = field(default_factory=dict)  # functions that write emails, by kind
    checks: tuple[Check, ...] = ()  # of `flask doctor`
    gauges: tuple[Gauge, ...] = ()  # of /metrics, read from the database
    retention: tuple[RetentionRule, ...] = ()  # rows that the worker removes once a day
    jobs: tuple[JobKind, ...] = ()  # that a worker carries out
    recurring: tuple[Callable[[], object], ...] = ()  # what a worker does every 15 minutes
    background: tuple[Callable[[Flask], None], ...] = ()  # started by `flask serve` in each process


def _links(feature: Feature) -> tuple[Link, ...]:
    resource = feature.resource
    own = (Link((resource.name,), resource.icon, resource.navigation, key=resource.plural[0]),) if resource else ()
    return (*own, *feature.links)


def _has_outbox() -> bool:
    return current_settings().has_outbox


def _purges() -> Iterator[RetentionRule]:
    """The rules that permanently remove deleted rows of all resources, if there is a period for that."""

    def age(settings: Settings) -> timedelta | None:
        return timedelta(days=settings.keep_deleted_days) if settings.keep_deleted_days else None

    for one in RESOURCES.values():
        yield RetentionRule(f"deleted {one.plural}", age, one.records.purge_before)


FEATURES = (
    # Its checks come first, because others depend on them.
    Feature(commands=COMMANDS, checks=INSTALLATION, actions=(REFUSED, ADOPTION, SEED_ADDED)),
    Feature(pages=(health,)),
    Feature(
        pages=(auth, links, viewing_views.bp),
        actions=AUTH_ACTIONS,
        recurring=(viewing.stop_overdue,),
        provides=(
            session.by_cookie.by(authentication.signed_in),
            reauthentication.reauthenticate.by(authentication.reauthenticate),
            running.owner_of.by(owner_of),
        ),
        emails=WRITERS,
        retention=(RetentionRule("rate limits", lambda _: timedelta(0), rate_limit.prune),),
    ),
    Feature(
        pages=(account,),
        found=(
            page("Account", "user", "account.index", also="profile my name time zone", key="u"),
            page("Password", "user", "account.password", also="change my"),
            page("Email", "mail", "account.email", also="change my address"),
            page("Devices", "user", "account.devices", also="my sessions signed in sign out everywhere"),
        ),
    ),
    Feature(
        pages=(mfa,),
        actions=MFA_ACTIONS,
        found=(page("Two-factor authentication", "shield", "mfa.index", also="2fa mfa passkey app recovery codes"),),
    ),
    Feature(
        pages=(dashboard, reports),
        permissions=(DASHBOARD_READ,),
        links=(page("Dashboard", "layout-dashboard", "dashboard.index", DASHBOARD_READ, also="home", key="d"),),
        found=(page("Reports", "list-check", "reports.index", DASHBOARD_READ, also="access reviews roles inactive"),),
    ),
    Feature(
        pages=(users, inactivity_views.bp),
        resource=persons,
        actions=USER_ACTIONS,
        provides=(people.names_of.by(names_of), members.by(People())),
        checks=totals.CHECKS,
        recurring=(schedule.carry_out, inactivity.carry_out),
        emails={inactivity.EMAIL: inactivity.warning},
        retention=(RetentionRule("totals by day", lambda _: growth.KEPT, growth.remove_old),),
    ),
    Feature((organizations, slugs), tenants, actions=RESOURCE_ACTIONS, jobs=(PURGE_ORGANIZATION,), found=OWN_PAGES),
    Feature(resource=teams, relations=(team_members,), checks=sizes.CHECKS),
    Feature(pages=(saved_views,), resource=views),
    Feature(
        pages=(activity, follows, unsubscribing),
        permissions=(ACTIVITY_READ,),
        actions=ACTIVITY_ACTIONS,
        found=(page("Following", "mail", "follows.index", ACTIVITY_READ, also="followed daily digest emails"),),
        links=(page("Activity", "history", "activity.index", ACTIVITY_READ, also="history audit log", key="a"),),
        commands=(activity_commands,),
        provides=(activity_feed.feed.by(Feed()),),
        emails={"digest": digests.digest},
        recurring=(digests.send_due,),
        checks=seals.CHECKS,
        gauges=seals.GAUGES,
        jobs=(UNDO,),
        background=(seals.seal_regularly,),
    ),
    Feature(
        pages=(data_browser,),
        permissions=(DATA_BROWSER_READ,),
        actions=BROWSER_ACTIONS,
        links=(page("Data browser", "database", "data_browser.index", DATA_BROWSER_READ, also="sql tables", key="b"),),
    ),
    Feature(
        pages=(tokens,),
        actions=TOKEN_ACTIONS,
        found=(page("API tokens", "user", "tokens.index", also="keys programs scripts"),),
        retention=(RetentionRule("sessions", lambda one: timedelta(days=one.keep_sessions_days), remove_sessions),),
    ),
    Feature(
        pages=(imports,),
        links=(page("Import", "upload", "imports.index", PEOPLE.create, also="people csv excel file", key="i"),),
        jobs=IMPORT_JOBS,
        retention=(RetentionRule("imports", lambda settings: timedelta(days=settings.keep_jobs_days), remove_imports),),
    ),
    Feature(
        pages=(jobs,),
        permissions=(JOBS_READ, JOBS_WRITE),
        links=(page("Jobs", "list-check", "jobs.index", JOBS_READ, note=news.running, key="j"),),
        retention=(RetentionRule("jobs", lambda settings: timedelta(days=settings.keep_jobs_days), remove_ended),),
    ),
    Feature(
        pages=(mail,),
        permissions=(OUTBOX_READ,),
        links=(page("Outbox", "mail", "mail.index", OUTBOX_READ, _has_outbox, also="emails", key="m"),),
        found=(page("Failed emails", "mail", "mail.failed", OUTBOX_READ, also="outbox errors"),),
        commands=(worker,),
        checks=MAIL,
        retention=EMAIL_RETENTION,
        background=(work_in_background,),
    ),
    Feature(
        pages=(branding,),
        permissions=(BRAND_WRITE,),
        actions=(BRAND,),
        provides=(brand.other_than.by(other_than),),
        found=(page("Branding", "adjustments-horizontal", "brand.index", BRAND_WRITE, also="logo color product name"),),
    ),
    Feature(
        pages=(search,),
        retention=(RetentionRule("words of removed rows", lambda _: timedelta(0), spelling.refresh),),
        found=(
            page("Keyboard shortcuts", "list-check", "search.shortcuts", also="keys"),
            page("Sign out", "logout", "auth.logout", also="log out", is_sent=True),
        ),
    ),
    Feature(
        pages=(api,),
        actions=API_ACTIONS,
        provides=(session.by_bearer.by(access.person),),
        retention=(RetentionRule("responses to programs", lambda _: repeats.KEPT, repeats.prune),),
    ),
)

RESOURCES = {one.name: one for feature in FEATURES if (one := feature.resource)}
PERMISSIONS = {
    one.name: one
    for one in sorted(
        one
        for feature in FEATURES
        for one in (*feature.permissions, *(feature.resource.permissions if feature.resource else ()))
    )
}
RELATIONS = [relation for feature in FEATURES for relation in feature.relations]
ACTIONS = {
    one.name: one
    for one in (
        *(action for feature in FEATURES for action in feature.actions),
        *(action for relation in RELATIONS for action in relation.actions),
    )
}


def register(app: Flask) -> None:
    """Register what the features add to the application."""
    for feature in FEATURES:
        for pages in feature.pages or ((blueprint(feature.resource),) if feature.resource else ()):
            app.register_blueprint(pages)
        if feature.resource:
            app.register_blueprint(of_resource(feature.resource))
        for relation in feature.relations:
            app.register_blueprint(blueprint_of(relation))
        for command in feature.commands:
            app.cli.add_command(command)
        for provision in feature.provides:
            provision.install(app)
    permissions.set(app, PERMISSIONS)
    actions.set(app, ACTIONS)
    resources.set(app, RESOURCES)
    relations.set(app, RELATIONS)
    lists.set(app, {**{name: one.plural.capitalize() for name, one in RESOURCES.items()}, "activity": "Activity"})
    navigation.set(app, [link for feature in FEATURES for link in _links(feature)])
    buttons = [link for one in RESOURCES.values() for link in buttons_of(one)]
    found.set(app, [*navigation.of(app), *buttons, *(link for feature in FEATURES for link in feature.found)])
    writers.set(app, {kind: writer for feature in FEATURES for kind, writer in feature.emails.items()})
    checks.set(app, [check for feature in FEATURES for check in feature.checks])
    gauges.set(app, [gauge for feature in FEATURES for gauge in feature.gauges])
    declared = (one for feature in FEATURES for one in feature.jobs)
    kinds.set(
        app, {one.name: one for one in (*declared, *(kind for one in RESOURCES.values() for kind in job_kinds(one)))}
    )
    recurring.set(app, [task for feature in FEATURES for task in feature.recurring])
    retention_rules.set(app, [*(rule for feature in FEATURES for rule in feature.retention), *_purges()])
    background.set(app, [begin for feature in FEATURES for begin in feature.background])
    for exempt in (api, unsubscribing):  # they ignore cookies, so there is nothing to forge
        app.extensions["csrf"].exempt(exempt)
    plain.init_app(app)
