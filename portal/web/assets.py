"""Serve precompressed static files, cached for a year under a URL that contains their hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from flask import Flask, Response, request, send_from_directory, url_for
from werkzeug.security import safe_join

from portal.branding import Accent, Logo, icon_of, style_of
from portal.config import ROOT
from portal.core.errors import Missing
from portal.web.brand import brand, follow
from portal.web.guards import public

STATIC = ROOT / "static"
YEAR = 31_536_000
STYLE, LOGO, ICON = "branding.css", "logo", "favicon.svg"
HARMLESS = "sandbox; default-src 'none'; style-src 'unsafe-inline'"  # for whoever opens an SVG itself
ENCODINGS = {"br": ".br", "gzip": ".gz"}


def init_app(app: Flask) -> None:
    app.add_url_rule("/static/<path:filename>", "static", serve)
    app.jinja_env.globals |= {"static": address, "branding_style": branding_style}


@public
def serve(filename: str) -> Response:
    """Send the file, or its compressed copy if there is one and the browser accepts it."""
    if filename in (STYLE, LOGO, ICON) and request.args.get("v") != _hash(filename):
        follow(1.0)  # another process may know a newer brand
    if own := _branding().get(filename):
        response = Response(own.content, mimetype=own.mimetype)
        response.headers["Content-Security-Policy"] = HARMLESS
        return _cached(response, _digest(own.content))  # which another thread may have replaced since
    name, encoding = _variant(filename)
    response = send_from_directory(STATIC, name)
    if encoding:
        original = send_from_directory(STATIC, filename)
        response.headers["Content-Encoding"] = encoding
        response.headers["Content-Type"] = original.headers["Content-Type"]
        original.close()
    response.headers["Vary"] = "Accept-Encoding"
    return _cached(response, _hash_of_file(filename))


def _cached(response: Response, version: str | None) -> Response:
    """Another version in the URL may be newer, from a page of another process: keep nothing under it."""
    asked = request.args.get("v")
    if asked == version:
        response.cache_control.max_age, response.cache_control.immutable = YEAR, True
    else:
        response.cache_control.max_age = 300 if asked is None else 0
    return response


def address(filename: str) -> str:
    """The URL of a static file. It contains the content's hash, so that a changed file has a new URL."""
    return _address(filename, request.script_root, _hash(filename))


@lru_cache(maxsize=256)
def _address(filename: str, _root: str, version: str | None) -> str:
    return url_for("static", filename=filename, v=version)


def _variant(filename: str) -> tuple[str, str | None]:
    if safe_join(str(STATIC), filename) is None:
        raise Missing
    for encoding, suffix in ENCODINGS.items():
        if request.accept_encodings[encoding] and _is_file(STATIC / f"{filename}{suffix}"):
            return f"{filename}{suffix}", encoding
    return filename, None


def branding_style() -> str:
    """The URL of the style sheet with the installation's accent color and logo; empty if it has neither."""
    return address(STYLE) if STYLE in _branding() else ""


def _branding() -> Mapping[str, Logo]:
    """The files generated from the brand, by name."""
    shown = brand()
    return _branding_of(shown.name or "", shown.accent, shown.logo, request.script_root)


@lru_cache(maxsize=16)
def _branding_of(name: str, accent: Accent | None, logo: Logo | None, root: str) -> Mapping[str, Logo]:
    url = f"{root}/static/{LOGO}?v={_digest(logo.content)}" if logo else None
    texts = ((STYLE, "text/css", style_of(name, accent, url)), (ICON, "image/svg+xml", icon_of(name, accent)))
    files = {one: Logo(text.encode(), mimetype) for one, mimetype, text in texts if text}
    return {**files, LOGO: logo} if logo else files


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _hash(filename: str) -> str | None:
    own = _branding().get(filename)
    return _digest(own.content) if own else _hash_of_file(filename)


@lru_cache(maxsize=256)
def _hash_of_file(filename: str) -> str | None:
    path = Path(safe_join(str(STATIC), filename) or "")
    return _digest(path.read_bytes()) if _is_file(path) else None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name longer than any file's
        return False
