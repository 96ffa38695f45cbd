"""Allow probes to request their endpoints under any host name or address."""

from __future__ import annotations

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

PATHS = ("/healthz", "/readyz", "/metrics")


class AnyHost:
    """Middleware that replaces the Host header of probes. Their responses contain no links and set no cookies."""

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") in PATHS:
            environ["HTTP_HOST"] = "localhost"
        return self.app(environ, start_response)
