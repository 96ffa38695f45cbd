"""The pages of every resource: list, one row, create, edit, delete and restore."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, Generic

from flask import Blueprint, flash, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadRequest

from portal.core.beginning import keeping_plans
from portal.core.counts import number_of
from portal.core.errors import Conflict, RateLimited, Stale
from portal.core.ignored import PLACE
from portal.core.keys import read_key
from portal.core.listing import Listing
from portal.core.parts import parts_of
from portal.core.policy import Permission
from portal.resources.arrange_page import arrange_page
from portal.resources.arranging import arranged, arrangement_of
from portal.resources.exporting import choices, export
from portal.resources.offers import correction, groups
from portal.resources.opening import open_list, opened, query_of
from portal.resources.purge_page import purge
from portal.resources.relation import LinkForm, sides_of, tenant_of
from portal.resources.resource import KINDS, Resource, Row
from portal.resources.selecting import act, offered
from portal.web import attempts, conflicts, reauthentication
from portal.web.activity_feed import confirm, deleted_meanwhile, history_of
from portal.web.confirming import ConfirmForm, ask_first
from portal.web.forms import EditForm, Form, reporting_conflicts
from portal.web.guards import requires
from portal.web.people import stamps_of
from portal.web.rendering import redirect, render
from portal.web.return_to import list_url, next_url
from portal.web.searching import render_list
from portal.web.signed_keys import read_row
from portal.web.urls import here
from portal.web.xlsx import MOST_ROWS

View = Callable[..., ResponseReturnValue]
BOTH = ("GET", "POST")


def blueprint(resource: Resource[Row]) -> Blueprint:
    """The resource's pages at `/<table>/`. Its feature can add more."""
    bp = Blueprint(resource.name, __name__, url_prefix=f"/{resource.name}")
    pages, may = Pages(resource), resource.permissions
    for rule, name, view, permission, methods in (
        ("/", "index", pages.index, may.list, ("GET",)),
        ("/options", "options", pages.options, may.list, ("GET",)),
        ("/export", "export", pages.export, may.list, ("GET",)),
        ("/columns", "columns", pages.columns, may.list, ("GET",)),
        ("/arrange", "arrange", pages.arrange, may.list, BOTH),
        ("/filters", "filters", pages.filters, may.list, ("GET",)),
        ("/selection", "selection", pages.selection, may.list, ("POST",)),
        ("/new", "new", pages.new, may.create, BOTH),
        ("/<uuid:id>", "show", pages.show, may.read, ("GET",)),
        ("/<uuid:id>/edit", "edit", pages.edit, may.write, BOTH),
        ("/<uuid:id>/delete", "delete", pages.delete, may.delete, BOTH),
        ("/<uuid:id>/restore", "restore", pages.restore, may.delete, ("POST",)),
        ("/<uuid:id>/purge", "purge", pages.purge, may.purge, BOTH),
    ):
        bp.add_url_rule(rule, name, ruled(view, permission), methods=methods)
    return bp


def ruled(view: View, permission: Permission) -> View:
    """Wrap a method as a function, because attributes such as the rule can't be set on methods."""

    def own(**arguments: Any) -> ResponseReturnValue:
        return view(**arguments)

    own.__doc__ = view.__doc__
    return requires(permission)(own)


class Pages(Generic[Row]):
    """The views of one resource."""

    def __init__(self, resource: Resource[Row]) -> None:
        self.resource = resource
        self.records = resource.records

    def index(self) -> ResponseReturnValue:
        """Show the list, or the part of it that a search replaces."""
        listing = self._listing(opens=True)
        columns = arranged(listing, self.resource.columns)
        return render_list(
            "resources",
            listing,
            resource=self.resource,
            columns=columns,
            headings=[one.heading(listing) for one in columns],
            is_dense=arrangement_of(self.resource.name).is_dense,
            opened=opened(listing, self.resource.name),
            query=query_of(listing),
            parts=parts_of(listing),
            actions=offered(self.resource, listing.status),
            selection_url=self._selection_url(listing),
            arrange_url=listing.url.replace(listing.path, self.resource.url("arrange"), 1),
            correct=lambda: correction(self.resource, listing.q, self._listing),
            groups=lambda: groups(self.resource, listing.q),
        )

    def _listing(self, q: str | None = None, path: str | None = None, *, opens: bool = False) -> Listing:
        """The list for this URL, or for another search in it."""
        related = {side.other.noun: side.filter() for side in sides_of(self.resource)}

        def build(arguments: Mapping[str, str]) -> Listing:
            return self.resource.listing(arguments, path or here(), related)

        return open_list(self.resource, build, opens=opens, q=q)

    def _selection_url(self, listing: Listing) -> str:
        """Where the form of the list sends selected rows, with what selects this page of it."""
        place = {name: request.args[name] for name in PLACE if name in request.args}
        return self.resource.url("selection") + listing.url_with(**place).removeprefix(listing.path)

    def selection(self) -> ResponseReturnValue:
        """Act on selected rows of the list."""
        return act(self.resource, self._listing())

    def export(self) -> ResponseReturnValue:
        """Download every row of the list."""
        kind = next((one for one in KINDS if one == request.args.get("format", "csv")), None)
        if kind is None:
            raise BadRequest
        return export(self.resource, self._listing(), kind, request.args.getlist("column"))

    def arrange(self) -> ResponseReturnValue:
        """Choose what the list shows, and how."""
        return arrange_page(self.resource, self._listing())

    def columns(self) -> ResponseReturnValue:
        """Choose the columns of a download."""
        listing = self._listing()
        return render(
            "resources/columns.html",
            fragment="resources/_columns.html",
            resource=self.resource,
            listing=listing,
            choices=choices(self.resource, listing),
            kinds=KINDS.items(),
            most_rows=f"{MOST_ROWS:,}",
        )

    def filters(self) -> ResponseReturnValue:
        """Set any filters of the list at once, also those that it doesn't show."""
        listing = self._listing(path=self.resource.url("index"))
        return render("resources/filters.html", resource=self.resource, listing=listing)

    def options(self) -> ResponseReturnValue:
        """Suggest rows while a name is typed. The argument `field` is the name of the argument with the text."""
        text = request.args.get(request.args.get("field", ""), "")
        options = self.resource.suggested(text, read_key(request.args.get("organization")))
        return render("resources/_options.html", options=options)

    def show(self, id: uuid.UUID, form: LinkForm | None = None) -> ResponseReturnValue:
        """Show one row. Deleted rows are shown too, and can be restored there. A `form` with errors is shown again."""
        with keeping_plans() if self.resource.are_people else nullcontext():  # groups may have a few members or many
            return self._show(id, form)

    def _show(self, id: uuid.UUID, form: LinkForm | None) -> ResponseReturnValue:
        prefetched = self.resource.prefetched(id)
        row = self.resource.one(id, with_deleted=True)
        sides = sides_of(self.resource) if tenant_of(self.resource, row) else ()
        return render(
            f"{self.resource.name}/show.html",
            status=422 if form and form.errors else 200,
            panels=[side.panel(row, form if form and form.side is side else None) for side in sides],
            resource=self.resource,
            current_section=self.resource.name,  # also where a route of a relation shows the page
            row=row,
            by=stamps_of(row),
            history=history_of(self.resource.name, id),
            **prefetched,
            **self.resource.context(row),
        )

    def new(self) -> ResponseReturnValue:
        """Create a row."""
        form, offer = self.resource.new_form(), None
        if form.validate_on_submit() and self._is_confirmed(form, None):
            options = self.resource.options(form)
            try:
                created = self.records.create(form.values(), row_id=read_row(form.row.data), **options)
            except Conflict as conflict:
                form.add_conflict(conflict)
                offer = conflict if conflict.deleted_id else None
            else:
                return redirect(self.resource.created(form, created))
        status = 422 if form.errors else 200
        return render("resources/new.html", status=status, resource=self.resource, form=form, offer=offer)

    @keeping_plans()
    def edit(
        self, id: uuid.UUID, of: type[EditForm] | None = None, page: str = "edit", title: str = "Edit"
    ) -> ResponseReturnValue:
        """Change a row. If somebody else saved it in the meantime, show both edits.

        A feature can edit other columns on a `page` of its own, with its own form and the beginning of its title.
        """
        row, back_url = self.resource.one(id, with_deleted=True), self.resource.url("show", id)
        if row.is_deleted:
            return deleted_meanwhile(row, back_url)
        form, action = (of or self.resource.edit_form)(row), self.resource.url(page, id)
        # If somebody else saved first, nothing is saved now, so there is nothing to confirm yet.
        if form.validate_on_submit() and (form.is_stale or self._is_confirmed(form, row)):
            try:
                with reporting_conflicts(form):
                    if form.is_stale:
                        raise Stale(row)
                    changed = self.records.update(id, form.seen_version(), form.values())
                    confirm(
                        changed,
                        f"Changes to {self.resource.title_of(changed)} saved.",
                        self.resource.undo_url(id),
                        is_made_here=changed.version != form.seen_version(),
                    )
                    self.resource.edited(changed, form)
                    return redirect(next_url(back_url))
            except RateLimited as rate_limited:
                attempts.refuse(form, rate_limited)
            except Stale:
                row = self.resource.one(id, with_deleted=True)
                if row.is_deleted:
                    return deleted_meanwhile(row, back_url)
                return conflicts.answer(form, row, action=action, back_url=back_url)
        status = 422 if form.errors else 200
        context: dict[str, Any] = {
            "resource": self.resource,
            "form": form,
            "row": row,
            "action": action,
            "title_prefix": title,
        }
        return render("resources/edit.html", status=status, **context)

    def delete(self, id: uuid.UUID) -> ResponseReturnValue:
        """Delete a row, once exactly its consequences at this moment are confirmed."""
        row = self.resource.one(id)
        title, back_url = f"Delete {self.resource.title_of(row)}?", self.resource.url("show", id)
        verb = f"Delete {self.resource.noun}"
        consequences = [*_kept_members(self.resource, id), *self.resource.consequences_of_deleting(row)]
        if asked := ask_first(title, consequences, verb=verb, back_url=back_url, risky=True):
            return asked
        deleted = self.records.delete(id)
        confirm(deleted, f"{self.resource.title_of(deleted)} deleted.", self.resource.undo_url(id))
        return redirect(list_url(self.resource.url("index")))

    def restore(self, id: uuid.UUID) -> ResponseReturnValue:
        """Restore a row. Ask for confirmation if that gives a person access to more than their own account."""
        row, back_url = self.resource.one(id, with_deleted=True), self.resource.url("show", id)
        consequences = self.resource.consequences_of_restoring(row) if row.is_deleted else []
        verb = f"Restore {self.resource.noun}"
        if asked := ask_first(f"Restore {self.resource.title_of(row)}?", consequences, verb=verb, back_url=back_url):
            return asked
        try:
            restored = self.records.restore(id)
        except Conflict as conflict:
            flash(f"Not restored. {conflict.message}", "error")
        else:
            confirm(restored, f"{self.resource.title_of(restored)} restored.", self.resource.undo_url(id))
        return redirect(back_url)

    def purge(self, id: uuid.UUID) -> ResponseReturnValue:
        """Remove a deleted row permanently."""
        return purge(self.resource, id)

    def _is_confirmed(self, form: Form, row: Row | None) -> bool:
        """Whether the consequences are confirmed, and the password was entered if needed. Asks for both at once."""
        if not isinstance(form, ConfirmForm):
            return True
        consequences = (
            self.resource.consequences_of_editing(form, row) if row else self.resource.consequences_of_creating(form)
        )
        is_confirmed = form.is_confirmed(consequences)
        return (
            not (consequences or self.resource.is_sensitive(form, row)) or reauthentication.confirmed(form)
        ) and is_confirmed


def _kept_members(resource: Resource[Any], row_id: uuid.UUID) -> list[str]:
    """How many members a group has, which keeps them while it is deleted."""
    groups = [side for side in sides_of(resource) if side.own is side.relation.groups]
    counted = [(side.count(row_id), side.relation.noun) for side in groups]
    return [f"It has {number_of(many, noun)}. They stay in it if you restore it." for many, noun in counted if many]
