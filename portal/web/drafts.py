"""Keep a form that was sent after its session ended, and show it filled in to the same person.

The token in each form names the person that the page was made for (`secret_for`), and only they see the form again:
other sites can't have such a token, and nobody else at the same browser is shown what was typed. Until the person has
signed in, the fields wait in an encrypted cookie, so that every way of signing in leads back to them, also in another
tab and without scripts. Showing the form changes nothing.
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
SECRET = frozenset({"csrf_token", "password", "current_password", "own_password", "code", "credential", "sealed"})
BACK = "Nothing was saved: you were signed out. Here is the form as you filled it in. Check it, then save it."
KEPT_FOR = "The form you left open was kept for {}, so it is not shown here."
ANOTHER = "the account that was signed in before"


def init_app(app: Flask) -> None:
    """Register this after the guards, so that drafts appear only to people who may see the page."""
    app.before_request(give_back)


def secret_for(person: uuid.UUID | None) -> str:
    """The secret behind a new session's CSRF tokens: random, with the person's id."""
    return f"{secrets.token_hex(20)}.{person.hex if person else ''}"


def secret_in(token: str | None) -> str | None:
    """The secret behind a form's token, if it is genuine, whichever session it is from."""
    for key in _keys():
        try:
            return str(URLSafeTimedSerializer(key, salt="wtf-csrf-token").loads(token or ""))
        except BadData:
            continue
    return None


def owner_of(secret: str | None) -> uuid.UUID | None:
    """The person that a token was made for; None if nobody was signed in."""
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
    """Keep the form in a cookie; False if nothing was typed or it is too large."""
    typed = [(name, value) for name, value in request.form.items(multi=True) if name not in SECRET]
    if not any(value for _, value in typed) or not is_page():
        return False
    own: Draft = (owner.hex, here(), typed)
    drafts = [own, *(one for one in _waiting() if one[:2] != own[:2])]
    while len(_sealed(drafts)) > LONGEST_COOKIE:
        drafts.pop()  # the oldest
    _put(drafts)
    return bool(drafts)


def give_back() -> None:
    """Fill in the requested page's form; drafts of other people are deleted."""
    if not cookies.is_kept(COOKIE) or request.method != "GET" or wants_fragment():
        return
    if request.endpoint in (None, "static") or not current_user.is_authenticated or current_user.id is None:
        return
    drafts = _waiting()
    others = [one for one in drafts if one[0] == current_user.id.hex and one[1] != here()]
    for owner, path, typed in drafts:
        if owner == current_user.id.hex and path == here():
            g.typed = MultiDict(typed)
            flash(BACK, "error")
        elif path == here():
            _say_for_whom(owner)
    if others != drafts or not drafts:
        _put(others)


def leave_to_its_owner() -> bool:
    """Say for whom the requested page's form was kept, and delete it; False if none was kept for somebody else."""
    own = current_user.id.hex if current_user.is_authenticated and current_user.id else ""
    owners = [owner for owner, path, _ in _waiting() if own and owner != own and path == here()]
    if request.method != "GET" or not owners:
        return False
    _say_for_whom(owners[0])
    forget()
    return True


def _say_for_whom(owner: str) -> None:
    """Their name, only for readers who may see it."""
    key = uuid.UUID(owner)
    flash(KEPT_FOR.format(names_of()([key]).get(key, ANOTHER)), "error")


def forget() -> None:
    """Delete all drafts in this browser."""
    if cookies.is_kept(COOKIE):
        _put([])


def _waiting() -> list[Draft]:
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
