"""Serve precompressed static files, cached for a year under a URL that contains their hash."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from flask import Flask, Response, request, send_from_directory, url_for
from werkzeug.security import safe_join

from portal.config import ROOT
from portal.core.errors import Missing
from portal.web.guards import public

STATIC = ROOT / "static"
YEAR = 31_536_000
ENCODINGS = {"br": ".br", "gzip": ".gz"}


def init_app(app: Flask) -> None:
    app.add_url_rule("/static/<path:filename>", "static", serve)
    app.jinja_env.globals["static"] = address


@public
def serve(filename: str) -> Response:
    """Send the file, or its compressed copy if there is one and the browser accepts it."""
    name, encoding = _variant(filename)
    response = send_from_directory(STATIC, name, max_age=YEAR if "v" in request.args else 300)
    if encoding:
        original = send_from_directory(STATIC, filename)
        response.headers["Content-Encoding"] = encoding
        response.headers["Content-Type"] = original.headers["Content-Type"]
        original.close()
    response.headers["Vary"] = "Accept-Encoding"
    if request.args.get("v") == _hash(filename):
        response.cache_control.immutable = True
    return response


def address(filename: str) -> str:
    """The URL of a static file. It contains the content's hash, so that a changed file has a new URL."""
    return _address(filename, request.script_root)


@lru_cache(maxsize=256)
def _address(filename: str, _root: str) -> str:
    return url_for("static", filename=filename, v=_hash(filename))


def _variant(filename: str) -> tuple[str, str | None]:
    if safe_join(str(STATIC), filename) is None:
        raise Missing
    for encoding, suffix in ENCODINGS.items():
        if request.accept_encodings[encoding] and _is_file(STATIC / f"{filename}{suffix}"):
            return f"{filename}{suffix}", encoding
    return filename, None


@lru_cache(maxsize=256)
def _hash(filename: str) -> str | None:
    path = Path(safe_join(str(STATIC), filename) or "")
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if _is_file(path) else None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name longer than any file's
        return False
