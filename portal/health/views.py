"""Probes and metrics: liveness needs no database, readiness needs a migrated one."""

from __future__ import annotations

import hmac

from flask import Blueprint, Response, make_response, request
from sqlalchemy.exc import SQLAlchemyError

from portal.core.db import db
from portal.core.errors import Missing
from portal.postgres import migrations
from portal.web import observing
from portal.web.given import current_settings
from portal.web.guards import public

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@public
def live() -> Response:
    return _plain("alive", 200)


@bp.get("/readyz")
@public
def ready() -> Response:
    """Respond 503 while the database is unavailable or migrations are pending."""
    try:
        with db.engine.begin() as connection:
            is_pending = migrations.are_pending(connection)
    except SQLAlchemyError:
        return _plain("the database is unavailable", 503)
    return _plain("migrations are pending", 503) if is_pending else _plain("ready", 200)


@bp.get("/metrics")
@public
def metrics() -> Response:
    """Return metrics for Prometheus to requests with PORTAL_METRICS_TOKEN. Respond 404 if it isn't set."""
    settings = current_settings()
    if settings.metrics_token is None:
        raise Missing
    if not hmac.compare_digest(_bearer(), settings.metrics_token.encode()):
        refused = _plain("a token is required", 401)
        refused.headers["WWW-Authenticate"] = "Bearer"
        return refused
    response = make_response(observing.exposition())
    response.headers["Content-Type"] = observing.CONTENT_TYPE
    return response


def _bearer() -> bytes:
    given = request.authorization
    return (given.token or "").encode() if given and given.type == "bearer" else b""


def _plain(text: str, status: int) -> Response:
    response = make_response(text + "\n", status)
    response.mimetype = "text/plain"
    return response
