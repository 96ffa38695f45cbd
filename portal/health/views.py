"""Liveness, which asks nobody, and readiness: the database answers and every migration is applied."""

from __future__ import annotations

from flask import Blueprint, Response, make_response
from sqlalchemy.exc import SQLAlchemyError

from portal.core import migrations
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
            is_pending = migrations.are_pending(connection)
    except SQLAlchemyError:
        return _plain("the database can't be reached", 503)
    return _plain("migrations are pending", 503) if is_pending else _plain("ready", 200)


def _plain(text: str, status: int) -> Response:
    response = make_response(text + "\n", status)
    response.mimetype = "text/plain"
    return response
