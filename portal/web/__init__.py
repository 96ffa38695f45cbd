"""Requests and pages. Uses Flask; doesn't depend on any feature."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from portal.config import Settings
from portal.web import (
    arrival,
    assets,
    brand,
    cookies,
    drafts,
    error_pages,
    guards,
    headers,
    jinja,
    load,
    observing,
    query_log,
    return_to,
    sanity,
    searching,
    session,
    theme,
)
from portal.web.client_address import ClientAddress
from portal.web.csrf import Csrf
from portal.web.probes import AnyHost
from portal.web.public_address import PublicAddress, refuse_foreign_host

BODY_BYTES = 1_000_000
FIELD_BYTES = 200_000
FIELDS = 500


def configuration(settings: Settings) -> dict[str, Any]:
    """Flask's own configuration, derived from the settings."""
    return {
        "SECRET_KEY": settings.secret_key,
        "SECRET_KEY_FALLBACKS": list(settings.secret_key_fallbacks),
        "MAX_CONTENT_LENGTH": BODY_BYTES,
        "MAX_FORM_MEMORY_SIZE": FIELD_BYTES,
        "MAX_FORM_PARTS": FIELDS,
        "SESSION_COOKIE_SECURE": settings.https,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_PATH": settings.root or "/",
        "SESSION_REFRESH_EACH_REQUEST": False,
        "PERMANENT_SESSION_LIFETIME": timedelta(hours=settings.session_hours),
        "WTF_CSRF_TIME_LIMIT": None,
    }


def init_app(app: Flask, settings: Settings) -> None:
    """Register the middleware and request hooks, in the order in which they run."""
    hops = settings.trusted_proxies
    app.wsgi_app = AnyHost(app.wsgi_app)  # type: ignore[method-assign]
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=0, x_proto=hops, x_host=0)  # type: ignore[method-assign]
    app.wsgi_app = ClientAddress(app.wsgi_app, hops)  # type: ignore[method-assign]
    if settings.public_url:
        app.wsgi_app = PublicAddress(app.wsgi_app, settings.public_url)  # type: ignore[method-assign]
    observing.init_app(app, settings)  # registered first, so it runs last and sees the final response
    query_log.init_app(app)
    headers.init_app(app, settings)
    app.before_request(refuse_foreign_host)
    sanity.init_app(app)
    load.init_app(app, settings)
    app.session_interface = cookies.SessionCookie()
    Csrf(app)
    brand.init_app(app)
    session.init_app(app)
    arrival.init_app(app)
    guards.init_app(app)
    drafts.init_app(app)
    error_pages.init_app(app)
    jinja.init_app(app)
    return_to.init_app(app)
    searching.init_app(app)
    assets.init_app(app)
    app.register_blueprint(theme.bp)
