"""Escape text for HTML, as markupsafe.escape does, but check first whether there is anything to escape: it's faster."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup, escape

_has_special = re.compile(r"[&<>\"']").search


def escaped(text: str) -> str:
    return str(escape(text)) if _has_special(text) else text


def html_of(value: Any) -> str:
    """Any value as HTML: Markup as it is, everything else escaped."""
    return value if type(value) is Markup else escaped(str(value))
