"""Which letters does the demo show?"""

from __future__ import annotations

from sqlalchemy import Select, select

from portal.mail.models import KeptLetter

SHOWN = 50


def newest() -> Select[KeptLetter]:
    return select(KeptLetter).order_by(KeptLetter.kept_at.desc(), KeptLetter.id.desc()).limit(SHOWN)
