"""Liveness, which asks nobody, and readiness: the database answers and every migration is applied."""

from __future__ import annotations

from functools import lru_cache

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Blueprint, Response, make_response
from sqlalchemy.exc import SQLAlchemyError

from portal.config import ROOT
from portal.core.db import db
from portal.web.guards import public

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@public
def live() -> Response:
    return _plain("alive", 200)


@bp.get("/readyz")
@public
def ready() -> Response:
    """503 while the database can't be reached or a migration is missing."""
    try:
        with db.engine.connect() as connection:
            applied = set(MigrationContext.configure(connection).get_current_heads())
    except SQLAlchemyError:
        return _plain("the database can't be reached", 503)
    return _plain("ready", 200) if applied == _heads() else _plain("migrations are pending", 503)


def _plain(text: str, status: int) -> Response:
    response = make_response(text + "\n", status)
    response.mimetype = "text/plain"
    return response


@lru_cache(maxsize=1)
def _heads() -> set[str]:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    return set(ScriptDirectory.from_config(config).get_heads())
