"""Remember what the columns of an organization's files mean, from the last import with the same headings."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, literal, select
from sqlalchemy.orm import aliased

from portal.core.db import db
from portal.imports.models import Import

REASON = "Reason"  # the last column of files with refused rows
RECALLED = ("overwrites", "invites", "dates")  # options; the first is there once somebody has chosen
BY = "remembered"  # the option with the name of the former file


def recall(one: Import) -> None:
    """Apply what somebody in the same organization chose for the last file with the same headings."""
    own = one.headings[:-1] if one.headings[-1:] == [REASON] else one.headings
    tenant = Import.organization_id.is_not_distinct_from(one.organization_id)
    same = Import.resource == one.resource, tenant, Import.headings == own, Import.id != one.id
    wanted = select(Import.name, Import.fields, Import.options).where(*same, _is_chosen(Import))
    former = db.session.execute(wanted.order_by(Import.id.desc()).limit(1)).first()
    if former is None:
        return
    one.fields = [*former.fields, *[""] * (len(one.headings) - len(own))]
    one.options = {**one.options, **{name: former.options.get(name) for name in RECALLED}, BY: former.name}


def is_last() -> ColumnElement[bool]:
    """Whether an import's columns would be recalled: somebody chose them, and nobody chose others since."""
    later = aliased(Import)
    newer = (
        later.resource == Import.resource,
        later.headings == Import.headings,
        _is_chosen(later),
        later.id > Import.id,
    )
    same = later.organization_id.is_not_distinct_from(Import.organization_id)
    return and_(_is_chosen(Import), ~select(literal(1)).where(same, *newer).exists())


def _is_chosen(model: Any) -> ColumnElement[bool]:
    chosen: ColumnElement[bool] = model.options.has_key(RECALLED[0])
    return chosen
