"""Which addresses answer under any name? Those for probes, which ask by whatever address they reach the server at."""

from __future__ import annotations

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

PATHS = ("/healthz", "/readyz", "/metrics")


class AnyHost:
    """Take the Host header for one of ours where it is not used: these answers hold no link and set no cookie."""

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") in PATHS:
            environ["HTTP_HOST"] = "localhost"
        return self.app(environ, start_response)
