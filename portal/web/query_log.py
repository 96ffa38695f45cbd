"""Report the SQL statements of each request, in the log and in the browser's developer tools."""

from __future__ import annotations

import logging
from contextlib import ExitStack

from flask import Flask, Response, g, request

from portal.core.actor import Role
from portal.core.statements import Statement, watched
from portal.web.given import current_settings

log = logging.getLogger("portal.sql")


def init_app(app: Flask) -> None:
    app.before_request(start)
    app.after_request(report)
    app.teardown_request(stop)


def start() -> None:
    """Record statements, except in production without PORTAL_SQL."""
    settings = current_settings()
    if settings.production and not settings.sql:
        return
    g.watching = ExitStack()
    g.statements = g.watching.enter_context(watched())


def report(response: Response) -> Response:
    """Log the statements, and send Server-Timing to SUPER_ADMINs only, because response times can reveal contents."""
    settings = current_settings()
    statements: list[Statement] = g.get("statements", [])
    total = sum(one.milliseconds for one in statements)
    actor = g.get("actor")
    if not settings.production and actor and actor.role is Role.SUPER_ADMIN:
        response.headers["Server-Timing"] = f'db;dur={total:.1f};desc="{len(statements)} statements"'
    if settings.sql and statements:
        listed = "\n".join(str(one) for one in statements)
        place = request.url_rule.rule if request.url_rule else "no page"  # a path can contain the token of an email
        log.info("%s %s: %s statements, %.1f ms\n%s", request.method, place, len(statements), total, listed)
    return response


def stop(_error: BaseException | None) -> None:
    watching: ExitStack | None = g.pop("watching", None)
    if watching is not None:
        watching.close()
