"""Queries for second factors."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, or_, select

from portal.mfa.models import Authenticator, Passkey, RecoveryCode


def has_two_factor(user_id: Any) -> ColumnElement[bool]:
    """Whether a person has a second factor, from its tables, which only the system can read.

    Signing in and changing second factors read this; lists and requests read the column that triggers keep.
    """
    return or_(exists().where(Authenticator.user_id == user_id), exists().where(Passkey.user_id == user_id))


def authenticator_of(user_id: uuid.UUID) -> Select[Authenticator]:
    return select(Authenticator).where(Authenticator.user_id == user_id)


def passkeys_of(user_id: uuid.UUID) -> Select[Passkey]:
    """A person's passkeys, oldest first."""
    return select(Passkey).where(Passkey.user_id == user_id).order_by(Passkey.created_at, Passkey.id)


def by_credential(credential_id: bytes) -> Select[Passkey]:
    return select(Passkey).where(Passkey.credential_id == credential_id)


def codes_left(user_id: uuid.UUID) -> Select[int]:
    return select(func.count()).select_from(RecoveryCode).where(RecoveryCode.user_id == user_id)
