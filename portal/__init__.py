"""Portal: organizations and people, administered in a browser."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Flask

from portal import features, web
from portal.cli.migrating import Tool
from portal.config import ROOT, Settings, load_settings
from portal.core.db import DIRECT, db, engine_options
from portal.postgres.embedded import Embedded
from portal.web import guards
from portal.web.given import current_settings, served_at


class Portal(Flask):
    """A Flask application without coroutines: looking for them would take time in each request."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def create_app(settings: Settings | None = None) -> Flask:
    """Configure the application, connect the database, register features; nothing else."""
    settings = settings or load_settings()
    app = Portal("portal", template_folder=str(ROOT / "templates"), static_folder=None, root_path=str(ROOT))
    app.config.update(web.configuration(settings))
    url = settings.database_url or Embedded.of(settings.instance).url
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    options = partial(
        engine_options,
        pool_size=settings.pool_size,
        pool_timeout=settings.pool_timeout,
        statement_timeout=settings.statement_timeout,
    )
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options(url, pools_transactions=settings.pools_transactions)
    if settings.direct_url:
        app.config["SQLALCHEMY_BINDS"] = {DIRECT: {**options(settings.direct_url), "url": settings.direct_url}}
    current_settings.set(app, settings)
    served_at.set(app, "http://127.0.0.1:8000")
    db.init_app(app)
    app.extensions["migrate"] = Tool(app)
    web.init_app(app, settings)
    features.register(app)
    guards.check_routes(app)
    return app
