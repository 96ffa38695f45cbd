"""Every route states who can use it."""

from __future__ import annotations

import pytest
from flask import Flask

from portal.core.policy import Permission
from portal.web import guards
from tests.database import app_for

NOWHERE = "postgresql+psycopg://nobody@/none?host=/nowhere"  # never connected
SAFE = {"GET", "HEAD", "OPTIONS"}
PUBLIC = {
    "account.strength",
    "api.login",
    "api.logout",
    "api.openapi",
    "api.refresh",
    "auth.change_password",
    "auth.forgotten",
    "auth.login",
    "auth.logout",
    "auth.passkey",
    "auth.two_factor",
    "health.live",
    "health.metrics",
    "health.ready",
    "unsubscribing.unsubscribe",
    "links.accept",
    "links.invitation",
    "links.reset",
    "links.reset_link",
    "links.verification",
    "links.verify",
    "static",
    "theme.choose",
}


@pytest.fixture(scope="module")
def portal() -> Flask:
    return app_for(NOWHERE)


def test_ac1_every_route_states_a_rule(portal: Flask) -> None:
    for rule in portal.url_map.iter_rules():
        stated = guards.rule_of(portal.view_functions[rule.endpoint])
        assert isinstance(stated, Permission) or stated in (guards.PUBLIC, guards.SIGNED_IN), rule


def test_ac1_an_app_with_a_route_without_a_rule_does_not_start(portal: Flask) -> None:
    app = Flask("other")
    app.add_url_rule("/open", view_func=lambda: "open")

    with pytest.raises(LookupError, match="states no rule"):
        guards.check_routes(app)


def test_ac1_only_these_routes_are_public(portal: Flask) -> None:
    views = portal.view_functions.items()

    assert {name for name, view in views if guards.rule_of(view) == guards.PUBLIC} <= PUBLIC


def test_every_route_belongs_to_a_feature_and_is_lower_case(portal: Flask) -> None:
    for rule in portal.url_map.iter_rules():
        assert rule.endpoint.count(".") == 1 or rule.endpoint == "static", rule
        assert "//" not in rule.rule
        assert rule.rule == rule.rule.lower() or "<" in rule.rule


def test_rows_are_addressed_by_a_uuid(portal: Flask) -> None:
    for rule in portal.url_map.iter_rules():
        for name in rule.arguments - {"filename", "table", "token", "slug"}:
            assert type(rule._converters[name]).__name__ == "UUIDConverter", rule
