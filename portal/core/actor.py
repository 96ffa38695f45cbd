"""The current actor, and the origin of the current request."""

from __future__ import annotations

import enum
import uuid
from contextvars import ContextVar, Token
from dataclasses import dataclass


class Role(enum.Enum):
    """The roles of people, from the least to the most powerful."""

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
    may_invite: bool = True  # False if the settings of the organization forbid it

    @property
    def is_unlimited(self) -> bool:
        """Whether this actor has access to all tenants."""
        return self.role in (None, Role.SUPER_ADMIN)

    @property
    def seen_by(self) -> uuid.UUID | None:
        """The tenant that sees changes by or to this person: tenants never see SUPER_ADMINs."""
        return None if self.role is Role.SUPER_ADMIN else self.organization_id


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of an operation, for the history: the request's id, the client's address and the user agent."""

    request_id: str = ""
    address: str = ""
    agent: str = ""


class NoActorError(RuntimeError):
    """A query ran without an actor."""


class ActorChangedError(RuntimeError):
    """The actor changed inside an open transaction, which still runs as the former one."""


SYSTEM = Actor(None, None)

_current: ContextVar[Actor | None] = ContextVar("actor", default=None)
_is_read_only: ContextVar[bool] = ContextVar("is_read_only", default=False)
_origin: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039 -- immutable


def current_actor() -> Actor:
    """The actor of this context. NoActorError if there is none."""
    actor = _current.get()
    if actor is None:
        raise NoActorError("no actor is bound: sign in, or use acting_as()")
    return actor


def has_actor() -> bool:
    """Whether this context has an actor."""
    return _current.get() is not None


def bind(actor: Actor | None) -> Token[Actor | None]:
    """Bind the actor until `unbind`. web/session.py calls it once per request; elsewhere use core.db.acting_as."""
    return _current.set(actor)


def unbind(token: Token[Actor | None]) -> None:
    _current.reset(token)


def bind_read_only() -> Token[bool]:
    """From now on, begin only READ ONLY transactions in this context, also as the system, until `unbind_read_only`."""
    return _is_read_only.set(True)


def unbind_read_only(token: Token[bool]) -> None:
    _is_read_only.reset(token)


def is_read_only() -> bool:
    """Whether nothing can be written in this context."""
    return _is_read_only.get()


def current_origin() -> Origin:
    """The origin of this context; all fields are empty on the command line."""
    return _origin.get()


def bind_origin(origin: Origin) -> Token[Origin]:
    """Bind the origin until `unbind_origin`. web/session.py calls it once per request, even without an actor."""
    return _origin.set(origin)


def unbind_origin(token: Token[Origin]) -> None:
    _origin.reset(token)
