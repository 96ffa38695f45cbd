"""Check CSRF tokens. A form from another session isn't saved, but shown again with the entered values.

Forms that need no session, such as the sign-in form, are accepted if the browser confirms that they were sent from our
own page, so that two tabs with the sign-in page both work.
"""

from __future__ import annotations

from typing import Any

from flask import Response, abort, after_this_request, current_app, flash, g, request
from flask_login import current_user
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError, generate_csrf

from portal.web import drafts
from portal.web.guards import PUBLIC, rule_of
from portal.web.rendering import redirect
from portal.web.urls import here

OTHER_SESSION = "Nothing was saved: this form was opened in another session. Check it, then send it again."


class Csrf(CSRFProtect):  # type: ignore[misc]
    """Refuse forged forms. Handle our own outdated forms depending on who is signed in now."""

    def protect(self, **kwargs: Any) -> None:
        try:
            super().protect(**kwargs)
        except CSRFError:
            secret = drafts.secret_in(self._get_csrf_token())
            if getattr(current_user, "viewer", None):
                return  # the guards refuse it, whatever it contains
            if secret is None or not (_needs_no_session() or _is_recoverable(secret)):
                raise


def csrf_token() -> str:
    """The request's token. Pages contain it several times, and Flask-WTF reads its settings before it looks in `g`."""
    token: str = g.get("csrf_token") or generate_csrf()
    return token


def _needs_no_session() -> bool:
    is_public = rule_of(current_app.view_functions[request.endpoint or ""]) == PUBLIC
    return is_public and _is_of_this_site()


def _is_of_this_site() -> bool:
    """Whether the browser confirms that our own page sent the form. Older browsers send only the origin."""
    site = request.headers.get("Sec-Fetch-Site")
    return site == "same-origin" if site else request.headers.get("Origin") == request.host_url.rstrip("/")


def _is_recoverable(secret: str) -> bool:
    """Whether a form from another session needs no error: its owner sees it again, after signing in if necessary."""
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
    """Continue as a GET of the page, which changes nothing; its form shows the entered values (web/forms.py)."""
    g.typed = request.form
    request.method = "GET"
    flash(OTHER_SESSION, "error")

    @after_this_request
    def refuse(response: Response) -> Response:
        if response.status_code == 200:
            response.status_code = 400
        return response
