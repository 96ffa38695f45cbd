"""Who is acting, in this thread of work, right now, and from where?"""

from __future__ import annotations

import enum
import uuid
from contextvars import ContextVar, Token
from dataclasses import dataclass


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

    @property
    def is_unlimited(self) -> bool:
        """Whether no tenant bounds this actor."""
        return self.role in (None, Role.SUPER_ADMIN)

    @property
    def seen_by(self) -> uuid.UUID | None:
        """The tenant that sees what is done by or to this person: for tenants a SUPER_ADMIN does not exist."""
        return None if self.role is Role.SUPER_ADMIN else self.organization_id


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an act comes from, for the history: the request's id, the network address and the browser's name."""

    request_id: str = ""
    address: str = ""
    agent: str = ""


class NoActorError(RuntimeError):
    """A query ran while nobody was acting."""


class ActorChangedError(RuntimeError):
    """The actor changed inside an open transaction, which still acts for the former one."""


SYSTEM = Actor(None, None)

_current: ContextVar[Actor | None] = ContextVar("actor", default=None)
_origin: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039 -- immutable


def current_actor() -> Actor:
    """The actor of this thread of work. NoActorError while there is none."""
    actor = _current.get()
    if actor is None:
        raise NoActorError("no actor is bound: sign in, or use acting_as()")
    return actor


def has_actor() -> bool:
    """Whether somebody acts in this thread of work."""
    return _current.get() is not None


def bind(actor: Actor | None) -> Token[Actor | None]:
    """Bind until `unbind`; web/session.py calls it once a request. Elsewhere use core.db.acting_as."""
    return _current.set(actor)


def unbind(token: Token[Actor | None]) -> None:
    _current.reset(token)


def current_origin() -> Origin:
    """Where the acts of this thread of work come from; all empty on the command line."""
    return _origin.get()


def come_from(origin: Origin) -> Token[Origin]:
    """Bind until `leave`; web/session.py calls it once a request, whoever acts in it."""
    return _origin.set(origin)


def leave(token: Token[Origin]) -> None:
    _origin.reset(token)
