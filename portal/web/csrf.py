"""What becomes of a form whose token is of another session? It is shown again as it was filled in, and not acted on.

Forms that need no session, such as those for signing in, are taken where the browser says that our own page sent them:
of two tabs that show the sign-in page each works, whichever is used first.
"""

from __future__ import annotations

from typing import Any

from flask import Response, abort, after_this_request, current_app, flash, g, request
from flask_login import current_user
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError

from portal.web import drafts
from portal.web.addresses import here
from portal.web.guards import PUBLIC, rule_of
from portal.web.rendering import redirect

OTHER_SIGN_IN = "Nothing was saved: this form was opened under another sign-in. Look it over, then send it again."


class Csrf(CSRFProtect):  # type: ignore[misc]
    """Refuses forged forms. What a page of ours sent is dealt with by who is signed in now."""

    def protect(self, **kwargs: Any) -> None:
        try:
            super().protect(**kwargs)
        except CSRFError:
            secret = drafts.secret_in(self._get_csrf_token())
            if secret is None or not (_needs_no_session() or _is_dealt_with(secret)):
                raise
            g.csrf_valid = True  # which the forms ask for, too


def _needs_no_session() -> bool:
    is_public = rule_of(current_app.view_functions[request.endpoint or ""]) == PUBLIC
    return is_public and _is_of_this_site()


def _is_of_this_site() -> bool:
    """Whether the browser says so; older ones name the page's origin alone."""
    said = request.headers.get("Sec-Fetch-Site")
    return said == "same-origin" if said else request.headers.get("Origin") == request.host_url.rstrip("/")


def _is_dealt_with(secret: str) -> bool:
    """Nobody is let in without a session: the guards lead to the door. Its own person is shown the form again."""
    owner = drafts.owner_of(secret)
    if owner is None or rule_of(current_app.view_functions[request.endpoint or ""]) == PUBLIC:
        return False
    if not current_user.is_authenticated:
        return True
    if owner != current_user.id or not request.form or not _is_of_this_site():
        return False
    if request.url_rule is not None and "GET" in (request.url_rule.methods or ()):
        _ask_again()
        return True
    if drafts.keep(owner):
        abort(redirect(here(with_query=True)))
    return False


def _ask_again() -> None:
    """Go on as if the page had been asked for, which changes nothing; its form finds what was typed (web/forms.py)."""
    g.typed = request.form
    request.method = "GET"
    flash(OTHER_SIGN_IN, "error")

    @after_this_request
    def refuse(response: Response) -> Response:
        if response.status_code == 200:
            response.status_code = 400
        return response
