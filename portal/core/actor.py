"""Who is acting, in this thread of work, right now?"""

from __future__ import annotations

import enum
import uuid
from contextvars import ContextVar, Token
from dataclasses import dataclass, field


class Role(enum.Enum):
    """What a person may do; the order is the order of power."""

    USER = "USER"
    ADMIN = "ADMIN"
    SUPER_ADMIN = "SUPER_ADMIN"

    @property
    def label(self) -> str:
        return self.name.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in person, or the system (no id, no role)."""

    id: uuid.UUID | None
    role: Role | None
    organization_id: uuid.UUID | None = None
    request_id: str | None = field(default=None, compare=False)

    @property
    def is_unlimited(self) -> bool:
        """Whether no tenant bounds this actor."""
        return self.role in (None, Role.SUPER_ADMIN)


class NoActorError(RuntimeError):
    """A query ran while nobody was acting."""


class ActorChangedError(RuntimeError):
    """The actor changed inside an open transaction, which still acts for the former one."""


SYSTEM = Actor(None, None)

_current: ContextVar[Actor | None] = ContextVar("actor", default=None)


def current_actor() -> Actor:
    """The actor of this thread of work. NoActorError while there is none."""
    actor = _current.get()
    if actor is None:
        raise NoActorError("no actor is bound: sign in, or use acting_as()")
    return actor


def bind(actor: Actor | None) -> Token[Actor | None]:
    """Bind until `unbind`; web/session.py calls it once a request. Elsewhere use core.db.acting_as."""
    return _current.set(actor)


def unbind(token: Token[Actor | None]) -> None:
    _current.reset(token)
