"""Set the security and caching headers of every response."""

from __future__ import annotations

import uuid

from flask import Flask, Response, g, request

from portal.config import Settings

CSP = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
ALWAYS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # not no-referrer: Flask-WTF requires a Referer under https
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-Frame-Options": "DENY",
}
HSTS = "max-age=31536000; includeSubDomains"


def init_app(app: Flask, settings: Settings) -> None:
    @app.before_request
    def name_request() -> None:
        g.request_id = uuid.uuid4().hex

    @app.after_request
    def add(response: Response) -> Response:
        own = {name for name, _ in response.headers}
        always = {**ALWAYS, "X-Request-Id": g.get("request_id", "")}
        if settings.https:
            always["Strict-Transport-Security"] = HSTS
        response.headers.extend([(name, value) for name, value in always.items() if name not in own])
        if request.endpoint != "static":
            response.headers["Cache-Control"] = "no-store"
        return response
