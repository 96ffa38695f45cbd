"""`flask tenancy check` finds leaks between tenants, names them, and leaves nothing behind."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from typing import Any

import pytest
from click.testing import Result
from flask import Flask, request
from sqlalchemy import func, select, update

from portal.core import clock
from portal.core.actor import SYSTEM
from portal.core.batch import create_many
from portal.core.db import acting_as, command, db
from portal.isolation import stage
from portal.isolation.cli import LAYERS
from portal.tokens.models import ApiToken
from portal.users.models import User
from portal.users.permissions import USERS_READ
from portal.web.guards import requires
from tests.acting import acting, portal_on
from tests.cast import Builder

View = Callable[..., str]


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["tenancy", "check", *arguments])


def add_route(app: Flask, view: View, address: str = "/planted/", **options: Any) -> None:
    """A faulty route, as somebody might write it."""
    app.add_url_rule(address, "planted.index", requires(USERS_READ)(view), **options)


def counts(app: Flask) -> dict[str, int]:
    with acting(app):
        return {
            table.name: db.session.scalar(select(func.count()).select_from(table)) or 0
            for table in db.metadata.sorted_tables
        }


def test_a_clean_check_prints_one_line_and_leaves_no_rows(fresh_app: Flask) -> None:
    build = Builder(fresh_app)
    build.person("uma@example.com", tenant=build.tenant("Acme"))
    before = counts(fresh_app)

    result = run(fresh_app, "--only", "/users/new")

    assert result.exit_code == 0, result.output
    assert re.fullmatch(r"\d+ requests, no rows of another organization\.\n", result.stdout)
    assert counts(fresh_app) == before


def everybody() -> str:
    """Read as the system what should be read as the actor."""
    with acting_as(SYSTEM):
        return " ".join(f"{user.first_name} {user.email}" for user in db.session.scalars(select(User)))


def test_an_unscoped_query_is_reported_with_its_route_for_all_layers(fresh_app: Flask) -> None:
    add_route(fresh_app, everybody)

    result = run(fresh_app, "--only", "/planted")

    assert result.exit_code == 1
    for layers in LAYERS:
        for kind in ("name", "email"):
            assert f"GET /planted/: shows the {kind} of a person ({layers})\n" in result.output
    assert "/users/" not in result.output
    assert "canary" not in result.output


def test_a_query_of_all_tenants_is_reported_without_row_level_security(fresh_app: Flask) -> None:
    def all_tenants() -> str:
        return " ".join(db.session.scalars(select(User.email), execution_options={"all_tenants": True}))

    add_route(fresh_app, all_tenants)

    result = run(fresh_app, "--only", "/planted")

    assert result.exit_code == 1
    assert result.stdout == "GET /planted/: shows the email of a person (row-level security off)\n"


def test_a_query_around_scoping_is_only_stopped_by_row_level_security(fresh_app: Flask) -> None:
    def from_the_table() -> str:
        return " ".join(db.session.scalars(select(db.metadata.tables["users"].c.email)))

    add_route(fresh_app, from_the_table)

    result = run(fresh_app, "--only", "/planted")

    assert result.stdout == "GET /planted/: shows the email of a person (row-level security off)\n"


def test_a_count_that_reveals_a_search_result_is_reported(fresh_app: Flask) -> None:
    def counted() -> str:
        found = select(func.count(User.id)).where(User.first_name.contains(request.args.get("named", "nobody")))
        with acting_as(SYSTEM):
            return f"{db.session.scalar(found)} people"

    add_route(fresh_app, counted)

    result = run(fresh_app, "--only", "/planted")

    assert (
        "GET /planted/?named: responds differently than for a value that nobody has (both layers on)" in result.output
    )


def test_a_row_that_everybody_can_see_is_reported(fresh_app: Flask) -> None:
    def known(id: Any) -> str:
        with acting_as(SYSTEM):
            return "yes" if db.session.scalar(select(User.id).where(User.id == id)) else "no"

    add_route(fresh_app, known, "/planted/<uuid:id>")

    result = run(fresh_app, "--only", "/planted")

    assert (
        "GET /planted/<uuid:id>: responds differently than for a value that nobody has (both layers on)"
        in result.output
    )


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_write_is_reported_with_its_route_and_table(fresh_app: Flask, method: str) -> None:
    @command
    def rename(key: Any) -> None:
        db.session.execute(update(User).where(User.id == key).values(last_name="Renamed"))

    def renaming(id: Any) -> str:
        with acting_as(SYSTEM):
            rename(id)
        return "done"

    add_route(fresh_app, renaming, "/planted/<uuid:id>", methods=[method])

    result = run(fresh_app, "--only", "/planted")

    assert result.exit_code == 1
    assert f"{method} /planted/<uuid:id>: changes users of another tenant (both layers on)" in result.output


def test_a_row_moved_to_another_tenant_is_reported(fresh_app: Flask) -> None:
    @command
    def move(organization: str) -> None:
        db.session.execute(update(User).where(User.first_name.startswith("word")).values(organization_id=organization))

    def moving() -> str:
        if organization := request.form.get("organization_id"):
            with acting_as(SYSTEM):
                move(organization)
        return "done"

    add_route(fresh_app, moving, methods=["POST"])

    result = run(fresh_app, "--only", "/planted")

    assert "POST /planted/ organization_id: changes users of another tenant (both layers on)" in result.output


def test_a_field_that_reveals_values_of_others_is_reported(fresh_app: Flask) -> None:
    def unique() -> tuple[str, int]:
        with acting_as(SYSTEM):
            taken = db.session.scalar(select(User.id).where(User.email == request.form.get("email", "")))
        return ("taken", 422) if taken else ("done", 200)

    app = fresh_app
    app.add_url_rule("/planted/", "planted.index", requires(USERS_READ)(unique), methods=["POST"])

    result = run(app, "--only", "/planted")

    assert "POST /planted/ email: reveals a value of another tenant (both layers on)" in result.output


@pytest.mark.parametrize("ending", [KeyboardInterrupt, ValueError])
def test_an_interrupted_check_leaves_no_rows_and_both_layers_on(fresh_app: Flask, ending: type[BaseException]) -> None:
    def interrupting() -> str:
        raise ending

    add_route(fresh_app, interrupting)
    before = counts(fresh_app)

    result = run(fresh_app, "--only", "/planted")

    assert result.exit_code != 0
    assert counts(fresh_app) == before
    build = Builder(fresh_app)
    uma = build.person("uma@example.com", tenant=build.tenant("Acme"))
    build.person("bea@example.com", tenant=build.tenant("Birch"))
    with acting(fresh_app, uma):
        assert db.session.scalars(select(User.email)).all() == ["uma@example.com"]
    assert counts(fresh_app)["users"] == 2


def test_the_check_runs_behind_https_below_a_path_and_with_minimal_limits(fresh_database: str) -> None:
    few = {"pool_size": 1, "concurrent_requests": 1, "trusted_proxies": 1, "production": True}
    with portal_on(fresh_database, public_url="https://portal.example.com:8443/portal", **few) as app:
        result = run(app, "--only", "/account")

    assert result.exit_code == 0, result.output


def test_a_check_that_sees_nothing_at_all_fails(fresh_app: Flask) -> None:
    result = run(fresh_app, "--only", "/nowhere")

    assert result.exit_code == 1
    assert "result means nothing" in result.output


def test_the_check_refuses_to_run_without_sample_data_for_a_model(
    fresh_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(model: Any, rows: Any) -> Any:
        return [] if model is ApiToken else create_many(model, rows)

    monkeypatch.setattr("portal.isolation.stage.create_many", make)
    before = counts(fresh_app)

    result = run(fresh_app)

    assert result.exit_code == 1
    assert "Error: There is no sample data for ApiToken, so the check can't find out" in result.output
    assert "no rows of another organization" not in result.output
    assert counts(fresh_app) == before


def test_the_check_names_every_model_without_sample_data(fresh_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    owned = stage.tenant_owned()
    assert owned.keys() >= {"User", "Organization", "Session", "RefreshToken", "ApiToken", "Activity"}
    monkeypatch.setattr(stage, "tenant_owned", lambda: {**owned, "Planted": "planted"})

    result = run(fresh_app)

    assert result.exit_code == 1
    assert "no sample data for Planted, so" in result.output


def test_responses_are_compared_at_one_moment_however_long_the_check_takes(
    fresh_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FastClock(datetime):
        """A clock that advances an hour with each call."""

        hours = 0

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> FastClock:
            cls.hours += 1
            return super().now(tz) + timedelta(hours=cls.hours)

    def show_time() -> str:
        return f"{request.args.get('q')} {clock.now():%H:%M}"

    add_route(fresh_app, show_time)
    monkeypatch.setattr(clock, "datetime", FastClock)

    result = run(fresh_app, "--only", "/planted")

    assert result.exit_code == 0, result.output
    assert FastClock.hours > len(LAYERS)
