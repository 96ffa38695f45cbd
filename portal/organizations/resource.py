"""The description of organizations as a resource."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from flask import flash, request
from flask_login import current_user
from sqlalchemy import select

from portal.core.actor import current_actor
from portal.core.counts import Count, counted, number_of, numbered
from portal.core.db import db
from portal.core.listing import Filter, Listing
from portal.core.policy import allows
from portal.jobs.models import OPEN, Job
from portal.organizations import queries, settings
from portal.organizations.bulk import SettingOrganizations
from portal.organizations.commands import organizations as records
from portal.organizations.demo import demo_rows
from portal.organizations.filters import FILTERS, count_of
from portal.organizations.forms import EditOrganizationForm, NewOrganizationForm, SettingsForm
from portal.organizations.members import members
from portal.organizations.models import Organization
from portal.organizations.numbers import NUMBERS, exported
from portal.organizations.permissions import ORGANIZATIONS_READ
from portal.resources.columns import Column
from portal.resources.demo import Demo, DemoRows
from portal.resources.empty import Empty
from portal.resources.resource import Resource, resources
from portal.resources.samples import Samples, SampleTenant
from portal.web.activity_feed import feed
from portal.web.charts import is_by_day
from portal.web.confirming import Fleeting
from portal.web.forms import Form
from portal.web.urls import path_of

SLUG_SAMPLE = "the slug of an organization"
PURGED = "{} are permanently deleted with it, also those that were deleted before, and all their data."
RESTORED = "Restoring the organization brings all of this back exactly. Whatever was deleted before stays deleted."


def _people(row: Any) -> tuple[Count, str]:
    """How many people can sign in, and the list of them."""
    return Count(row.people), "" if row.deleted_at else f"{path_of('users.index')}?organization={row.id}"


class Organizations(Resource[Organization]):
    """Tenants, with their people and the administrators who manage them."""

    records = records
    plural = "organizations"
    unique = "slug"
    icon = "building"
    about = "The tenants."
    searched = "Name or URL name"
    is_square = True
    setting = SettingOrganizations
    columns = (
        Column("name", "Name", "title", exported=("Name", "Slug")),
        Column("people", "People", "number", _people, is_labeled=True),
        *NUMBERS,
        Column("created_at", "Created", "time", tabs=("active",)),
        Column("deleted_at", "Deleted", "time", tabs=("deleted",), is_labeled=True),
        Column("updated_at", "Changed", "time", is_optional=True, read=lambda: Organization.updated_at),
    )
    empty = {
        "active": Empty(
            "No organizations yet",
            "An organization has people, and administrators who manage them.",
            "building",
            offers_new=True,
        ),
        "deleted": Empty(
            "No deleted organizations",
            "Deleted organizations appear here and can be restored with all their people.",
            "trash",
        ),
    }
    labels = {
        "name": "Name",
        "slug": "URL name",
        **settings.LABELS,
        "inactive_days": "Days until inactive people are deactivated",
        "warning_days": "Days between warning and deactivation",
    }
    imported = {
        "name": ("name", "organization", "organizationname", "organisation", "company", "companyname", "firma"),
        "slug": ("slug", "urlname", "shortname"),
    }
    new_form = NewOrganizationForm
    edit_form = EditOrganizationForm
    guarded = frozenset({"slug", "seat_limit"})
    sensitive = frozenset(settings.LABELS)
    restoring = "Gives all its people access again, also on devices that were signed in before."
    deleting = "Its people lose access at once. You can restore it."

    def lead(self) -> str:
        return "Each organization manages its own people and can’t see others."

    def navigation(self) -> tuple[str, str] | None:
        """For ADMINs, link to their own organization."""
        if listed := super().navigation():
            return listed
        own = current_user.organization_id if allows(current_actor(), ORGANIZATIONS_READ) else None
        return ("Organization", self.url("show", own)) if own else None

    def listing(self, arguments: Mapping[str, str], path: str, filters: Mapping[str, Filter]) -> Listing:
        people = members().counted().label("people")
        return queries.listing(arguments, path, people, filters={**FILTERS, **filters}, count=count_of)

    def exported(self) -> Mapping[str, Any]:
        return {
            "Name": Organization.name,
            "Slug": Organization.slug,
            **exported(),
            "Created": Organization.created_at,
            "Deleted": Organization.deleted_at,
            "ID": Organization.id,
        }

    def subtitle_of(self, row: Any) -> str:
        return str(row.slug)

    def identified_by(self, text: str, tenant: uuid.UUID | None = None) -> Sequence[Organization]:
        return queries.identified_by(text)

    def suggested(self, text: str, tenant: uuid.UUID | None) -> Sequence[tuple[str, str]]:
        """Names and slugs. Those that share a name are suggested by their slugs."""
        found = db.session.execute(queries.suggested(text)).all()
        names = Counter(one.name.casefold() for one in found)
        return [(one.slug, one.name) if names[one.name.casefold()] > 1 else (one.name, one.slug) for one in found]

    def prefetched(self, row_id: uuid.UUID) -> dict[str, Any]:
        return {"is_followed": feed().is_followed(self.name, row_id)}

    def context(self, row: Organization) -> dict[str, Any]:
        chosen = {"organization": row.id} if current_actor().is_unlimited else {}
        others = [one for one in resources().values() if one is not self and one.navigation()]
        lists = [(one.plural.capitalize(), one.url("index", **chosen)) for one in others]
        by_day = is_by_day(request.args)
        return {
            "membership": members().of(row.id, is_deleted=row.is_deleted),
            "lists": lists,
            "charts": members().charts(row.id, by_day=by_day),
            "by_day": by_day,
        }

    def samples(self, tenant: SampleTenant) -> Samples:
        name, slug = tenant.texts.phrase("the name of an organization"), tenant.texts.slug(SLUG_SAMPLE)
        yield Organization, {"id": tenant.id, "name": name, "slug": slug}

    def demo(self, demo: Demo) -> DemoRows:
        return demo_rows(demo)

    def created(self, form: Form, row_id: uuid.UUID) -> str:
        flash("Organization created. Add its first administrator next.", "success")
        return self.url("show", row_id)

    def in_words(self, name: str, value: Any) -> str | None:
        return settings.in_words(name, value) if name in settings.LABELS else super().in_words(name, value)

    def may_be_undone(self, row_id: uuid.UUID, changes: Mapping[str, Any]) -> bool:
        """Only SUPER_ADMINs can stop ADMINs from inviting people, or allow it again."""
        is_theirs = settings.NO_ADMIN in (changes.get("inviters") or ())
        return (current_actor().is_unlimited or not is_theirs) and super().may_be_undone(row_id, changes)

    def is_sensitive(self, form: Form, row: Organization | None) -> bool:
        return isinstance(form, SettingsForm)

    def consequences_of_editing(self, form: Form, row: Organization) -> list[str]:
        return list(settings.consequences(row, form.values())) if isinstance(form, SettingsForm) else []

    def consequences_of_undoing(self, row: Organization, values: Mapping[str, Any]) -> list[str]:
        rule = {name: values.get(name, getattr(row, name)) for name in ("inactive_days", "warning_days")}
        is_turned_on = rule["inactive_days"] and rule.items() & values.items()
        of_inactivity = members().of_deactivating(row.id, *rule.values()) if is_turned_on else ()
        return [*super().consequences_of_undoing(row, values), *settings.consequences(row, values), *of_inactivity]

    def consequences_of_deleting(self, row: Organization) -> list[str]:
        others = [one for one in resources().values() if one is not self and not one.are_people]
        kept = [(counted(select(one.records.model).where(one.records.model.tenant() == row.id)), one) for one in others]
        jobs = counted(select(Job).where(Job.organization_id == row.id, Job.state.in_(OPEN)))
        return [
            *members().of_deleting(row.id),
            *(f"{numbered(many, f'{one.noun} is', f'{one.plural} are')} kept." for many, one in kept if many.value),
            *([Fleeting(f"{numbered(jobs, 'unfinished job stops', 'unfinished jobs stop')}.")] if jobs.value else ()),
            RESTORED,
        ]

    def purged_by(self, row: Organization) -> Sequence[str]:
        return (row.slug,)

    def consequences_of_purging(self, row: Organization) -> list[str]:
        held = records.held(row.id).items()
        found = [number_of(many, one.noun, one.plural) for one, many in held if many]
        return [PURGED.format(" and ".join(found))] if found else []

    def consequences_of_restoring(self, row: Organization) -> list[str]:
        return members().of_restoring(row.id)


resource = Organizations()
