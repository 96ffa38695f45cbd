"""Map requests to the URL that browsers use: PORTAL_URL's host, port and path.

PORTAL_URL's path becomes SCRIPT_NAME, whether or not the proxy strips it: url_for includes it, routes don't.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import request
from werkzeug.exceptions import SecurityError

from portal.web.given import current_settings


class PublicAddress:
    """Middleware that splits off PORTAL_URL's path, and adds a port that the proxy left out of Host."""

    def __init__(self, app: WSGIApplication, public_url: str) -> None:
        self.app, parts = app, urlsplit(public_url)
        self.root, self.netloc = parts.path, parts.netloc
        self.host = self.netloc.removesuffix(f":{parts.port}")

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == self.root or path.startswith(f"{self.root}/"):
            environ["PATH_INFO"] = path.removeprefix(self.root) or "/"
        environ["SCRIPT_NAME"] = self.root
        if environ.get("HTTP_HOST", "").lower() == self.host:
            environ["HTTP_HOST"] = self.netloc
        return self.app(environ, start_response)


def refuse_foreign_host() -> None:
    """Respond 400 unless the request's host is the portal's.

    Flask's TRUSTED_HOSTS can't match IPv6 addresses.
    """
    settings = current_settings()
    host, colon, port = request.host.rpartition(":")
    name = host if colon and port.isdecimal() else request.host
    if name.lower() not in settings.trusted_hosts:
        raise SecurityError
