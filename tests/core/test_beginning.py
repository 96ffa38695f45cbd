"""Each transaction begins as its actor, in one message, whatever the browser calls itself."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from portal.core.actor import Origin, bind_origin, unbind_origin
from portal.core.beginning import keeping_plans
from portal.core.db import db
from portal.core.statements import watched
from portal.organizations.models import Organization
from tests.acting import acting
from tests.cast import Builder

AGENTS = ("", "Mozilla/5.0", "'; RESET ROLE; --", "\\", "\\'", "%s %(x)s %", "E'\\x00'", "😀 ü", "$$;ROLLBACK;$$")


def test_settings_are_values_and_never_sql(fresh_app: Flask) -> None:
    ada = Builder(fresh_app).person("ada@example.com", tenant=Builder(fresh_app).tenant("Acme"))
    names = ("role", "portal.actor_id", "portal.agent", "portal.address", "plan_cache_mode")
    told = select(*(func.current_setting(name) for name in names))
    for agent in AGENTS:
        token = bind_origin(Origin("request", "::1", agent))
        try:
            with acting(fresh_app, ada), watched() as seen:
                found = db.session.execute(told).one()
        finally:
            unbind_origin(token)

        assert tuple(found) == ("portal_tenant", str(ada.id), agent, "::1", "force_custom_plan")
        assert len(seen) == 1  # they were set together with BEGIN


def test_only_transactions_that_find_rows_by_keys_keep_their_plans(fresh_app: Flask) -> None:
    ada = Builder(fresh_app).person("ada@example.com", tenant=Builder(fresh_app).tenant("Acme"))
    mode = select(func.current_setting("plan_cache_mode"))
    with acting(fresh_app, ada):
        with keeping_plans():
            kept = db.session.scalar(mode)
        db.session.rollback()
        usual = db.session.scalar(mode)

    assert (kept, usual) == ("auto", "force_custom_plan")


def test_a_missing_role_is_reported_by_the_first_statement(fresh_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = Builder(fresh_app).person("ada@example.com", tenant=Builder(fresh_app).tenant("Acme"))
    monkeypatch.setattr("portal.core.beginning.TENANT_ROLE", "portal_missing")
    with acting(fresh_app, ada), pytest.raises(DBAPIError, match='role "portal_missing" does not exist'):
        db.session.execute(select(Organization.id))
