"""Keep a form that was sent after its session ended, and show it again, filled in, to the same person.

The CSRF token in each form contains the id of the person whose page it was (`secret_for`), and only they see the form
again: other sites can't create such a token, and other people at the same browser don't see the entered values. Until
the person has signed in, the fields are kept in an encrypted cookie, so that they survive every way of signing in, also
in another tab and without scripts. Showing the form changes nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import uuid
import zlib
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from flask import Flask, Response, after_this_request, flash, g, request
from flask.globals import request_ctx
from flask_login import current_user
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException

from portal.web import cookies
from portal.web.given import current_settings
from portal.web.people import names_of
from portal.web.rendering import wants_fragment
from portal.web.urls import here

Draft = tuple[str, str, list[tuple[str, str]]]  # owner, path and fields

COOKIE = "draft"
SECONDS = 3600
LONGEST_COOKIE = 3800  # browsers allow 4,096 bytes
SECRET = frozenset(
    {"csrf_token", "password", "current_password", "own_password", "code", "credential", "sealed", "confirmed"}
)
BACK = "You were signed out, so nothing was saved. Your entries are still here. Check them, then save."
KEPT_FOR = "The unsaved form on this page belongs to {}, so it is not shown to you."
ANOTHER = "the account that was signed in before"


def init_app(app: Flask) -> None:
    """Register this after the guards, so that only people with access to the page see drafts."""
    app.before_request(restore)


def secret_for(person: uuid.UUID | None) -> str:
    """The secret behind a new session's CSRF tokens: random, with the person's id."""
    return f"{secrets.token_hex(20)}.{person.hex if person else ''}"


def secret_in(token: str | None) -> str | None:
    """The secret behind a form's token of any session; None if it is forged."""
    for key in _keys():
        try:
            return str(URLSafeTimedSerializer(key, salt="wtf-csrf-token").loads(token or ""))
        except BadData:
            continue
    return None


def owner_of(secret: str | None) -> uuid.UUID | None:
    """The id of the person for whom the token was created; None if nobody was signed in."""
    try:
        return uuid.UUID((secret or "").partition(".")[2])
    except ValueError:
        return None


def is_page() -> bool:
    """Whether the form's URL also answers GET."""
    try:
        return request_ctx.url_adapter is not None and bool(request_ctx.url_adapter.match(method="GET"))
    except HTTPException:
        return False


def keep(owner: uuid.UUID) -> bool:
    """Keep the form in a cookie. False if nothing was entered or it is too large."""
    typed = [(name, value) for name, value in request.form.items(multi=True) if name not in SECRET]
    if not any(value for _, value in typed) or not is_page():
        return False
    own: Draft = (owner.hex, here(), typed)
    drafts = [own, *(one for one in _stored() if one[:2] != own[:2])]
    while len(_sealed(drafts)) > LONGEST_COOKIE:
        drafts.pop()  # the oldest
    _put(drafts)
    return bool(drafts)


def restore() -> None:
    """Fill in the requested page's form, and delete drafts of other people."""
    if not cookies.is_kept(COOKIE) or request.method != "GET" or wants_fragment():
        return
    if request.endpoint in (None, "static") or not current_user.is_authenticated or current_user.id is None:
        return
    drafts = _stored()
    others = [one for one in drafts if one[0] == current_user.id.hex and one[1] != here()]
    for owner, path, typed in drafts:
        if owner == current_user.id.hex and path == here():
            g.typed = MultiDict(typed)
            flash(BACK, "error")
        elif path == here():
            _flash_owner(owner)
    if others != drafts or not drafts:
        _put(others)


def discard_foreign() -> bool:
    """Flash whose draft the requested page has, and delete all drafts. False if it has none of another person."""
    own = current_user.id.hex if current_user.is_authenticated and current_user.id else ""
    owners = [owner for owner, path, _ in _stored() if own and owner != own and path == here()]
    if request.method != "GET" or not owners:
        return False
    _flash_owner(owners[0])
    forget()
    return True


def _flash_owner(owner: str) -> None:
    """Flash that the draft belongs to another person, by name only if the reader may see them."""
    key = uuid.UUID(owner)
    flash(KEPT_FOR.format(names_of()([key]).get(key, ANOTHER)), "error")


def forget() -> None:
    """Delete all drafts in this browser."""
    if cookies.is_kept(COOKIE):
        _put([])


def _stored() -> list[Draft]:
    """Valid drafts, newest first, without expired or forged ones."""
    try:
        text = zlib.decompress(_cipher().decrypt(cookies.read(COOKIE).encode(), ttl=SECONDS))
    except (InvalidToken, zlib.error):
        return []
    return [(owner, path, [(name, value) for name, value in typed]) for owner, path, typed in json.loads(text)]


def _sealed(drafts: Sequence[Draft]) -> str:
    return _cipher().encrypt(zlib.compress(json.dumps(drafts).encode(), 9)).decode("ascii") if drafts else ""


def _put(drafts: Sequence[Draft]) -> None:
    value = _sealed(drafts)

    @after_this_request
    def put(response: Response) -> Response:
        if value:
            cookies.keep(response, COOKIE, value, seconds=SECONDS)
        else:
            cookies.forget(response, COOKIE)
        return response


def _keys() -> tuple[str, ...]:
    settings = current_settings()
    return (settings.secret_key, *settings.secret_key_fallbacks)


def _cipher() -> MultiFernet:
    digests = (hmac.digest(key.encode(), b"drafts of forms", hashlib.sha256) for key in _keys())
    return MultiFernet([Fernet(base64.urlsafe_b64encode(one)) for one in digests])
