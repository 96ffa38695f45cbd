"""Ask for confirmation of a change with consequences, and make the change only if exactly these are confirmed.

A confirmation contains a keyed digest for this person and URL, so that nobody confirms consequences they weren't shown.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

from flask import Response, request
from wtforms import HiddenField

from portal.core.actor import current_actor
from portal.web import reauthentication
from portal.web.forms import Form
from portal.web.given import current_settings
from portal.web.reauthentication import ask
from portal.web.rendering import render, wants_fragment
from portal.web.urls import here

FIELD = "confirmed"
CHANGED = "This has changed since it was shown. Check it again."
NOT_RESENT = (FIELD, reauthentication.FIELD, "csrf_token")


class Fleeting(str):
    """A consequence that is shown but not part of what is confirmed, because it changes all the time."""

    __slots__ = ()


def digest_of(consequences: Sequence[str], key: str | None = None) -> str:
    """The digest that a confirmation of these consequences contains."""
    bound = (one for one in consequences if not isinstance(one, Fleeting))
    shown = json.dumps([str(current_actor().id), here(), *bound])
    secret = key or current_settings().secret_key
    return hmac.digest(secret.encode(), b"confirmation" + shown.encode(), hashlib.sha256).hex()


def is_confirmed(sent: str | None, consequences: Sequence[str]) -> bool:
    """Whether this person confirmed these consequences at this URL. Without consequences, no confirmation is needed."""
    keys = (current_settings().secret_key, *current_settings().secret_key_fallbacks)
    given = (sent or "").encode()
    return not consequences or any(hmac.compare_digest(digest_of(consequences, key).encode(), given) for key in keys)


class ConfirmForm(Form):
    """A form that first shows the consequences, and saves when sent again with their digest."""

    confirmed = HiddenField()
    consequences: Sequence[str] = ()  # shown above the fields

    def is_confirmed(self, consequences: Sequence[str]) -> bool:
        """Whether these consequences were confirmed; otherwise show them."""
        if is_confirmed(self.confirmed.data, consequences):
            return True
        self.consequences, self.confirmed.data = consequences, digest_of(consequences)
        return False


def ask_first(
    title: str, consequences: Sequence[str], *, verb: str, back_url: str, risky: bool = False
) -> Response | None:
    """Ask for confirmation of this POST, then for the password. None once both are given, or without consequences.

    Both pages send the same fields again. If the consequences changed after they were shown, the new ones are shown.
    """
    if request.method == "POST" and is_confirmed(request.form.get(FIELD), consequences):
        return ask() if consequences else None
    sent = [(name, value) for name, value in request.form.items(multi=True) if name not in NOT_RESENT]
    confirmed = (FIELD, digest_of(consequences))
    return render_question(title, consequences, verb=verb, back_url=back_url, fields=[*sent, confirmed], risky=risky)


def render_question(
    title: str,
    consequences: Sequence[str],
    *,
    verb: str,
    back_url: str,
    fields: Sequence[tuple[str, str]] = (),
    risky: bool = False,
    body: str = "",
    **details: Any,
) -> Response:
    """A page, or a dialog for htmx, whose button, if there is a verb, sends the fields to this URL.

    `body` is a template to show in place of the consequences, which gets the details, too.
    """
    context: dict[str, Any] = {
        "title": title,
        "consequences": consequences,
        "verb": verb,
        "back_url": back_url,
        "risky": risky,
        "body": body,
        "changed": CHANGED if request.method == "POST" and FIELD in request.form else "",
    }
    templates = ("errors/question.html", "errors/_question.html")
    action = here(with_query=True)
    response = render(templates[0], fragment=templates[1], action=action, fields=fields, **context, **details)
    if wants_fragment():
        response.headers |= {"HX-Retarget": "#dialog-slot", "HX-Reswap": "innerHTML"}
    return response
