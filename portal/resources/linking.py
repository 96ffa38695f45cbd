"""Routes that add and remove links between rows, from the pages of either side."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from flask import Blueprint, flash, g, request
from flask.typing import ResponseReturnValue

from portal.core.errors import Conflict
from portal.resources.blueprint import BOTH, Pages, ruled
from portal.resources.relation import LinkForm, Relation, Side, tenant_of
from portal.web.activity_feed import offer_undo
from portal.web.forms import posted_key
from portal.web.rendering import redirect

NOT_FOUND = "No {} matches this entry. Choose a suggestion."
SEVERAL = "Several match this name. Choose a suggestion."
ELSEWHERE = "The {} and the {} aren't in the same organization, or one of them was deleted. Reload the page."
WITHOUT_ORGANIZATION = "A {} without an organization can't have {}."
DONE = {True: ("added to", "is already in"), False: ("removed from", "isn't in")}  # a change, and nothing to change


def blueprint_of(relation: Relation) -> Blueprint:
    """Routes below `/<table>/<id>/<others>`: the path itself adds a row by name, `add` and `remove` take a key."""
    bp = Blueprint(relation.name, __name__)
    for side in relation.sides:
        rule = f"/{side.own.name}/<uuid:id>/{side.other.plural}"
        views: tuple[tuple[str, str, Callable[..., ResponseReturnValue], tuple[str, ...]], ...] = (
            (rule, "enter", Linking(side).enter, BOTH),
            (f"{rule}/add", "add", Linking(side).add, ("POST",)),
            (f"{rule}/remove", "remove", Linking(side).remove, ("POST",)),
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
        row = self.side.own.one(id)
        tenant = tenant_of(self.side.own, row)
        if tenant is None:
            flash(WITHOUT_ORGANIZATION.format(self.side.own.noun, self.side.other.plural), "error")
        if tenant is None or not (request.method == "POST" or "typed" in g):
            return redirect(self.side.own.url("show", id))
        form = LinkForm(self.side, row)
        if form.validate_on_submit():
            found = self.side.other.identified_by(form.row.data or "", tenant)
            if len(found) == 1:
                return self._changed(row, found[0], adds=True)
            form.row.errors = [SEVERAL if found else NOT_FOUND.format(self.side.other.noun)]
        return Pages(self.side.own).show(id, form)

    def add(self, id: uuid.UUID) -> ResponseReturnValue:
        """Add one row. Used to undo its removal."""
        return self._changed(self.side.own.one(id), self.side.other.one(posted_key("row")), adds=True)

    def remove(self, id: uuid.UUID) -> ResponseReturnValue:
        """Remove a row."""
        return self._changed(self.side.own.one(id), self.side.other.one(posted_key("row")), adds=False)

    def _changed(self, row: Any, other: Any, *, adds: bool) -> ResponseReturnValue:
        side = self.side
        # The rows may have moved or been deleted when the change has ended, so they aren't read afterwards.
        done, nothing_to_do = (side.sentence(row, other, verb) for verb in DONE[adds])
        undo_url, back_url, key = side.url("remove" if adds else "add", row.id), side.own.url("show", row.id), other.id
        try:
            is_changed = side.change(row, key, adds=adds)
        except Conflict:
            flash(f"Not added. {ELSEWHERE.format(side.own.noun, side.other.noun)}", "error")
        else:
            offer_undo(done, undo_url, row=key) if is_changed else flash(nothing_to_do, "success")
        return redirect(back_url)
