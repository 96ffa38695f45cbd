"""Remove a deleted row permanently, once its name was typed, the consequences confirmed and the password entered."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from flask import flash
from flask.typing import ResponseReturnValue
from wtforms.validators import DataRequired

from portal.core.text import tidy
from portal.resources.resource import Resource
from portal.web import reauthentication
from portal.web.confirming import CHANGED, ConfirmForm
from portal.web.forms import TextField
from portal.web.reauthentication import ReauthenticationForm
from portal.web.rendering import redirect, render

LONGEST = 254
FINAL = "This can’t be undone."
ERASED = "The values in the history are erased. Who did what and when stays."
NOT_DELETED = "{} isn’t deleted. Delete the {} first."
BEGUN = "{} is being deleted permanently. You find the progress under Jobs."
DIFFERENT = "This is not the same. Type {}."


class PurgeForm(ConfirmForm, ReauthenticationForm):
    """The row's name, typed as it is shown."""

    typed = TextField("", longest=LONGEST, validators=(DataRequired("Type it to confirm."),))

    def is_typed(self, names: Sequence[str]) -> bool:
        """Whether one of these was typed, regardless of case."""
        entered = (tidy(self.typed.data or "") or "").casefold()
        if any(entered == (tidy(name) or "").casefold() for name in names):
            return True
        self.typed.errors = [DIFFERENT.format(names[0])]
        return False


def purge(resource: Resource[Any], row_id: uuid.UUID) -> ResponseReturnValue:
    """Show what is removed and ask for the name; remove it if everything is confirmed."""
    row, back_url = resource.one(row_id, with_deleted=True), resource.url("show", row_id)
    if not row.is_deleted:
        flash(NOT_DELETED.format(resource.title_of(row), resource.noun), "error")
        return redirect(back_url)
    consequences = [*resource.consequences_of_purging(row), ERASED, FINAL]
    form, names = PurgeForm(), resource.purged_by(row)
    form.typed.label.text = f"Type {names[0]} to confirm"
    is_confirmed = form.is_confirmed(consequences)
    if form.validate_on_submit() and form.is_typed(names) and reauthentication.confirmed(form) and is_confirmed:
        title = resource.title_of(row)
        is_done = resource.records.begin_purge(row_id)
        flash(f"{title} permanently deleted." if is_done else BEGUN.format(title), "success")
        return redirect(resource.url("index", status="deleted"))
    if form.is_submitted() and not is_confirmed:
        form.form_errors.append(CHANGED)
    return render(
        "resources/purge.html",
        fragment="resources/_purge.html",
        form=form,
        action=resource.url("purge", row_id),
        title=f"Delete {resource.title_of(row)} permanently?",
        consequences=consequences,
        back_url=back_url,
        status=422 if form.errors else 200,
    )
