"""Is this address one of ours?"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

LONGEST = 2000
ELSEWHERE = re.compile(r"//|\\|[\x00-\x1f\x7f]|(?:^|/)\.{1,2}(?=[/?#;]|$)")


def safe_next(target: str | None, default: str = "/") -> str:
    """The target if it is a plain path of this site, else the default.

    Browsers read backslashes as slashes and drop control characters, and proxies resolve dot segments and merge
    slashes, so none of these may be in it: nowhere as they are, and in the path not percent-encoded either. Encoded
    within the query they are what somebody searched for.
    """
    if not target or len(target) > LONGEST or not target.startswith("/") or " " in target:
        return default
    if ELSEWHERE.search(target) or ELSEWHERE.search(_decoded(re.split("[?#]", target, maxsplit=1)[0])):
        return default
    try:
        parts = urlsplit(target)
    except ValueError:
        return default
    return default if parts.scheme or parts.netloc else target


def _decoded(path: str) -> str:
    """What a path means to whoever decodes it, however often."""
    while (decoded := unquote(path)) != path:
        path = decoded
    return path
