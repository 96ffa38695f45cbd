"""Routes that add and remove links between rows, from the pages of either side."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from flask import Blueprint, flash, g, request
from flask.typing import ResponseReturnValue

from portal.core.errors import Conflict
from portal.resources.blueprint import BOTH, Pages, ruled
from portal.resources.relation import NOT_FOUND, SEVERAL, LinkForm, Relation, Side, tenant_of
from portal.web.activity_feed import offer_undo
from portal.web.forms import posted_key
from portal.web.rendering import redirect

DONE = {True: ("added to", "is already in"), False: ("removed from", "isn't in")}  # a change, and nothing to change


def blueprint_of(relation: Relation) -> Blueprint:
    """Routes below `/<table>/<id>/<others>`: the path itself adds a row by name, `remove` takes a key."""
    bp = Blueprint(relation.name, __name__)
    for side in relation.sides:
        rule = f"/{side.own.name}/<uuid:id>/{side.other.plural}"
        views: tuple[tuple[str, str, Callable[..., ResponseReturnValue], tuple[str, ...]], ...] = (
            (rule, "enter", Linking(side).enter, BOTH),
            (f"{rule}/remove", "remove", Linking(side).remove, ("POST",)),
            (f"{rule}/undo", "undo", Linking(side).undo, ("POST",)),
        )
        for address, name, view, methods in views:
            bp.add_url_rule(address, f"{side.own.name}_{name}", ruled(view, relation.permission), methods=methods)
    return bp


class Linking:
    """The views of one side of a relation."""

    def __init__(self, side: Side) -> None:
        self.side = side

    def enter(self, id: uuid.UUID) -> ResponseReturnValue:
        """Add the row with the entered name. GET shows the page if it restores an entry, and else redirects to it."""
        row = self.side.own.one(id, with_deleted=True)
        if problem := self.side.closed(row):
            flash(f"Not added. {problem}", "error")
        if problem or not (request.method == "POST" or "typed" in g):
            return redirect(self.side.own.url("show", id))
        form = LinkForm(self.side, row)
        if form.validate_on_submit():
            found = self.side.other.identified_by(form.row.data or "", tenant_of(self.side.own, row))
            if len(found) == 1:
                return self._changed(row, found[0], adds=True)
            form.row.errors = [SEVERAL if found else NOT_FOUND.format(self.side.other.noun)]
        return Pages(self.side.own).show(id, form)

    def remove(self, id: uuid.UUID) -> ResponseReturnValue:
        """Remove a row. The entry in the same form is kept for the next page."""
        answer = self._changed(*self._both(id, posted_key("key")), adds=False)
        self.side.keep(id, request.form.get("row", ""))
        return answer

    def undo(self, id: uuid.UUID) -> ResponseReturnValue:
        """Undo an addition or a removal, which the name of the field tells apart."""
        added, _ = (action.name for action in self.side.relation.actions)
        name = next((action.name for action in self.side.relation.actions if action.name in request.form), added)
        return self._changed(*self._both(id, posted_key(name)), adds=name != added, undoes=True)

    def _both(self, row_id: uuid.UUID, other_id: uuid.UUID) -> tuple[Any, Any]:
        """Both rows, deleted ones too, of which the answer then tells."""
        return tuple(
            one.one(key, with_deleted=True) for one, key in ((self.side.own, row_id), (self.side.other, other_id))
        )

    def _changed(self, row: Any, other: Any, *, adds: bool, undoes: bool = False) -> ResponseReturnValue:
        side = self.side
        # The rows may have moved or been deleted when the change has ended, so they aren't read afterwards.
        done, nothing_to_do = (side.sentence(row, other, verb) for verb in DONE[adds])
        undo_url, back_url = side.url("undo", row.id), side.own.url("show", row.id)
        undone = {side.relation.actions[not adds].name: other.id}
        try:
            is_changed = side.change(row, other, adds=adds, undoes=undoes)
        except Conflict as conflict:
            flash(f"Not {'undone' if undoes else 'added' if adds else 'removed'}. {conflict.message}", "error")
        else:
            offer_undo(done, undo_url, **undone) if is_changed else flash(nothing_to_do, "success")
        return redirect(back_url)
