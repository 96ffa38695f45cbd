"""What becomes of a form whose token is of another sign-in? It is shown again as it was filled in, and not acted on."""

from __future__ import annotations

from typing import Any

from flask import Response, after_this_request, current_app, flash, g, request
from flask_login import current_user
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError

from portal.web.guards import PUBLIC, rule_of

OTHER_SIGN_IN = "Nothing was saved: this form was opened under another sign-in. Look it over, then send it again."


class Csrf(CSRFProtect):  # type: ignore[misc]
    """Refuses forged forms; whoever is signed in is asked again, where the form's address shows a page of its own."""

    def protect(self, **kwargs: Any) -> None:
        try:
            super().protect(**kwargs)
        except CSRFError:
            if not _has_form() or not current_user.is_authenticated:
                raise
            _ask_again()


def _has_form() -> bool:
    """Whether something was typed, into a page of ours, that a page of this address shows to who is signed in."""
    if not request.form or request.url_rule is None or request.endpoint is None:
        return False
    if request.headers.get("Sec-Fetch-Site") != "same-origin":
        return False  # what others may have filled in is not shown for somebody to send
    is_public = rule_of(current_app.view_functions[request.endpoint]) == PUBLIC
    return "GET" in (request.url_rule.methods or ()) and not is_public


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
