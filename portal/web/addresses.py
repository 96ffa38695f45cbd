"""Addresses of the portal, as browsers know them: with the path of PORTAL_URL, which routes don't have."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from flask import request

DOTS = (".", "..")


def here(*, with_query: bool = False) -> str:
    """The path of this request, for links and forms that lead to the same page."""
    return request.root_path + (request.full_path.rstrip("?") if with_query else request.path)


def home() -> str:
    """Where the portal begins."""
    return f"{request.root_path}/"


def safe_next(target: str | None, default: str | None = None) -> str:
    """The target if it is a plain path of the portal, else the default, which is where the portal begins.

    Browsers read backslashes as slashes and drop control characters, so none of these may be in it.
    """
    default = home() if default is None else default
    if not target or len(target) > 2000 or not target.startswith(home()) or target.startswith("//"):
        return default
    if "\\" in target or any(ord(character) <= 0x20 or ord(character) == 0x7F for character in target):
        return default
    try:
        parts = urlsplit(target)
    except ValueError:
        return default
    *folders, last = unquote(parts.path).split("/")[1:]
    is_plain = {"", *DOTS}.isdisjoint(folders) and last not in DOTS
    return target if is_plain and not parts.scheme and not parts.netloc else default
