"""URLs as browsers see them: they include the path of PORTAL_URL, which routes don't."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote, urlencode, urlsplit

from flask import request, url_for

LONGEST = 2000
CONTROL = re.compile(r"%(?:[01][0-9a-f]|7f)", re.IGNORECASE)
ELSEWHERE = re.compile(r"//|\\|[\x00-\x1f\x7f]|(?:^|/)\.{1,2}(?=[/?#;]|$)")


def here(*, with_query: bool = False) -> str:
    """The path of this request, for links and forms that lead back to the same page."""
    return request.root_path + (request.full_path.rstrip("?") if with_query else request.path)


def with_query(url: str) -> str:
    """The URL of another page with the arguments of this request."""
    query = urlencode(list(request.args.items(multi=True)))
    return f"{url}?{query}" if query else url


def path_of(endpoint: str) -> str:
    """The path of a page that takes no arguments. Remembered, because pages contain many."""
    return _path_of(endpoint, request.root_path)


@lru_cache(maxsize=1000)
def _path_of(endpoint: str, _root: str) -> str:
    return url_for(endpoint)


def home() -> str:
    """The path of the portal's home page."""
    return f"{request.root_path}/"


def safe_next(target: str | None, default: str | None = None) -> str:
    """The target if it is a safe path within the portal, else the default, which is the home page.

    Backslashes, control characters, dot segments and double slashes are refused, also percent-encoded in the path,
    because browsers and proxies rewrite them. Encoded in the query they are part of a search, where control
    characters become spaces.
    """
    default = home() if default is None else default
    if not target or len(target) > LONGEST or not target.startswith(home()) or " " in target:
        return default
    if ELSEWHERE.search(target) or ELSEWHERE.search(_decoded(re.split("[?#]", target, maxsplit=1)[0])):
        return default
    try:
        parts = urlsplit(target)
    except ValueError:
        return default
    return default if parts.scheme or parts.netloc else CONTROL.sub("+", target)


def same_page() -> str:
    """The URL of this page, for forms that lead back to it; of the home page, if it isn't a safe one."""
    return safe_next(here(with_query=True))


def _decoded(path: str) -> str:
    """The path, percent-decoded repeatedly until it no longer changes."""
    while (decoded := unquote(path)) != path:
        path = decoded
    return path
