"""The pages of organizations."""

from __future__ import annotations

import uuid
from collections import Counter

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue

from portal.core.counts import BOUND, Count
from portal.core.db import db
from portal.core.errors import Conflict, Missing, Stale
from portal.organizations import queries
from portal.organizations.commands import organizations
from portal.organizations.forms import EditOrganizationForm, NewOrganizationForm, written
from portal.organizations.members import members
from portal.organizations.models import Organization
from portal.organizations.permissions import (
    ORGANIZATIONS_CREATE,
    ORGANIZATIONS_DELETE,
    ORGANIZATIONS_LIST,
    ORGANIZATIONS_READ,
    ORGANIZATIONS_WRITE,
)
from portal.web import conflicts, reauthentication
from portal.web.activity_feed import confirm, deleted_meanwhile, history_of
from portal.web.confirming import ask_first
from portal.web.forms import reporting_conflicts
from portal.web.guards import requires
from portal.web.people import stamps_of
from portal.web.rendering import redirect, render
from portal.web.return_to import list_url, next_url
from portal.web.searching import render_list
from portal.web.signed_keys import signed_row
from portal.web.urls import here

bp = Blueprint("organizations", __name__, url_prefix="/organizations")


@bp.get("/")
@requires(ORGANIZATIONS_LIST)
def index() -> ResponseReturnValue:
    """The list."""
    listing = queries.listing(request.args, here(), members().counted())
    return render_list("organizations", listing, people_of=lambda row: Count.bounded(row.people, BOUND))


@bp.get("/options")
@requires(ORGANIZATIONS_LIST)
def options() -> ResponseReturnValue:
    """What a field for an organization proposes while one types."""
    found = db.session.execute(queries.suggested(request.args.get("organization_id", ""))).all()
    names = Counter(one.name.casefold() for one in found)
    return render("organizations/_options.html", organizations=found, names=names)


@bp.get("/<uuid:id>")
@requires(ORGANIZATIONS_READ)
def show(id: uuid.UUID) -> ResponseReturnValue:
    """One organization with its newest people; deleted ones too: that is where they are restored."""
    organization = _found(id, with_deleted=True)
    membership = members().of(id)
    return render(
        "organizations/show.html",
        organization=organization,
        by=stamps_of(organization),
        members=membership.newest,
        member_count=membership.active,
        admin_count=membership.admins,
        history=history_of("organizations", id),
    )


@bp.route("/new", methods=["GET", "POST"])
@requires(ORGANIZATIONS_CREATE)
def new() -> ResponseReturnValue:
    """Create an organization."""
    form = NewOrganizationForm(data={"row": signed_row()})
    if form.validate_on_submit():
        with reporting_conflicts(form):
            created = organizations.create(form.values(), row_id=form.row_id())
            flash("The organization is created. Add its first administrator next.", "success")
            return redirect(url_for(".show", id=created))
    return render("organizations/new.html", form=form, status=422 if form.errors else 200)


@bp.route("/<uuid:id>/edit", methods=["GET", "POST"])
@requires(ORGANIZATIONS_WRITE)
def edit(id: uuid.UUID) -> ResponseReturnValue:
    """Change an organization; where somebody else did so meanwhile, both edits are shown."""
    organization = _found(id, with_deleted=True)
    if organization.is_deleted:
        return deleted_meanwhile(organization, url_for(".show", id=id))
    form = EditOrganizationForm(organization)
    if form.validate_on_submit():
        try:
            with reporting_conflicts(form):
                if form.is_stale:
                    raise Stale(organization)
                changed = organizations.update(id, form.seen_version(), form.values())
                confirm(changed, "saved", url_for("activity.undo_organization", id=id))
                return redirect(next_url(url_for(".show", id=id)))
        except Stale:
            organization = _found(id)
            now = written(organization)
            return conflicts.answer(form, organization, now, title="Two edits met", endpoint="organizations")
    status = 422 if form.errors else 200
    return render("organizations/edit.html", form=form, organization=organization, status=status)


@bp.route("/<uuid:id>/delete", methods=["GET", "POST"])
@requires(ORGANIZATIONS_DELETE)
@reauthentication.required
def delete(id: uuid.UUID) -> ResponseReturnValue:
    """Delete an organization. GET says first what it means."""
    if request.method != "POST":
        return render(
            "organizations/delete.html",
            fragment="organizations/_delete.html",
            organization=_found(id),
            consequences=consequences(id),
        )
    organization = organizations.delete(id)
    confirm(organization, "deleted", url_for("activity.undo_organization", id=id))
    return redirect(list_url(url_for(".index")))


@bp.post("/<uuid:id>/restore")
@requires(ORGANIZATIONS_DELETE)
def restore(id: uuid.UUID) -> ResponseReturnValue:
    """Bring an organization back. Asks first if people with full access can sign in again."""
    means = members().of_restoring(id)
    title, back_url = f"Restore {_found(id, with_deleted=True).name}?", url_for(".show", id=id)
    if asked := ask_first(title, means, verb="Restore organization", back_url=back_url):
        return asked
    try:
        organization = organizations.restore(id)
    except Conflict as conflict:
        flash(f"Not restored. {conflict.message}", "error")
    else:
        confirm(organization, "restored", url_for("activity.undo_organization", id=id))
    return redirect(url_for(".show", id=id))


def consequences(organization_id: uuid.UUID) -> list[str]:
    """What deleting an organization means, in sentences."""
    membership = members().of(organization_id)
    if not membership.active.value:
        return ["Nobody who can sign in belongs to it.", "It can be restored from the deleted organizations."]
    active, admins = membership.active, membership.admins
    many = "" if active.kind == "exact" else "more than "
    people = "1 person loses" if active.value == 1 else f"{many}{active.value:,} people lose"
    return [
        f"{people[0].upper()}{people[1:]} access at once, {admins.value:,} of them as"
        f" {'administrator' if admins.value == 1 else 'administrators'}.",
        "Their records stay as they are, and their e-mail addresses stay reserved.",
        "Restoring the organization gives everybody access again, on devices that are signed in now too.",
    ]


def _found(organization_id: uuid.UUID, *, with_deleted: bool = False) -> Organization:
    statement = queries.by_id(organization_id)
    organization = db.session.scalar(statement, execution_options={"with_deleted": with_deleted})
    if organization is None:
        raise Missing
    return organization
