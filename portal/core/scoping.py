"""Scope every query to the actor's tenant and to rows that are not deleted.

Queries name neither tenant nor `deleted_at`. The exceptions are explicit and easy to search for: the execution options
`with_deleted=True` and `all_tenants=True`, and `acting_as(SYSTEM)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVarTuple

from sqlalchemy import Select, Uuid, bindparam, event
from sqlalchemy.orm import Mapper, ORMExecuteState, Session, UOWTransaction, with_loader_criteria
from sqlalchemy.sql.base import ExecutableOption

from portal.core.actor import Actor, ActorChangedError, Role, current_actor
from portal.core.errors import NotAllowed
from portal.core.models import Base, SoftDeletable, TenantOwned

Ts = TypeVarTuple("Ts")

ACTOR_ID: Any = bindparam("scoped_actor_id", callable_=lambda: current_actor().id, type_=Uuid())
ORGANIZATION_ID: Any = bindparam(
    "scoped_organization_id", callable_=lambda: current_actor().organization_id, type_=Uuid()
)


def narrow(state: ORMExecuteState) -> None:
    """Scope every ORM statement to active rows of the actor's tenant."""
    actor = _checked_actor(state.session)
    if state.is_column_load:
        return
    if (state.is_insert or state.is_update) and not actor.is_unlimited:
        _refuse_foreign_values(state, actor)
    if not state.is_insert:
        state.statement = _scoped(state.statement, actor, state.execution_options)


def scoped(session: Session, statement: Select[*Ts], options: Mapping[str, bool]) -> Select[*Ts]:
    """The statement as `narrow` would run it with these execution options."""
    narrowed: Select[*Ts] = _scoped(statement, _checked_actor(session), options)
    return narrowed


def _scoped(statement: Any, actor: Actor, given: Mapping[str, Any]) -> Any:
    options: list[ExecutableOption] = []
    if not given.get("with_deleted", False):
        options += _not_deleted()
    if not actor.is_unlimited and not given.get("all_tenants", False):
        options += _own_tenant(actor.role, actor.organization_id is not None)
    if not options:
        return statement
    return _narrowed(statement, *options) if is_kept(statement) else statement.options(*options)


def is_kept(statement: Select[*Ts]) -> bool:
    return bool(statement.get_execution_options().get("kept", False))


def kept(statement: Select[*Ts]) -> Select[*Ts]:
    """Mark a statement that is built once and reused: scoping it and finding its compiled form then cost less."""
    return statement.execution_options(kept=True)


@lru_cache(maxsize=128)
def _narrowed(statement: Any, *options: ExecutableOption) -> Any:
    return statement.options(*options)


def active(statement: Select[*Ts]) -> Select[*Ts]:
    """The statement for rows that are not deleted, if it is run without a session."""
    return statement.options(*_not_deleted())


def check_written(session: Session, _context: UOWTransaction) -> None:
    """Refuse rows that the actor may not save. Runs after the flush, when foreign keys are set."""
    actor = _checked_actor(session)
    if actor.is_unlimited:
        return
    for row in (*session.new, *session.dirty, *session.deleted):
        if isinstance(row, TenantOwned) and not row.is_writable_by(actor):
            raise NotAllowed


def _checked_actor(session: Session) -> Actor:
    """The current actor, who must be the one that began the open transaction."""
    actor = current_actor()
    if session.info.get("actor", actor) != actor:
        raise ActorChangedError("the transaction was begun by another actor; end it first")
    return actor


def _refuse_foreign_values(state: ORMExecuteState, actor: Actor) -> None:
    """Check bulk statements: an INSERT must name the actor's tenant in every row, an UPDATE must not change it."""
    mapper = state.bind_mapper
    if mapper is None or not issubclass(mapper.class_, TenantOwned):
        return
    tenant = mapper.class_.tenant().key
    for row in _written_rows(state):
        moves = state.is_update and (tenant in row or isinstance(state.parameters, list))
        strays = state.is_insert and (actor.organization_id is None or row.get(tenant) != actor.organization_id)
        if moves or strays:
            raise NotAllowed


def _written_rows(state: ORMExecuteState) -> list[dict[str, Any]]:
    """The values that the statement writes, by column: its own, or those of each row of parameters.

    An INSERT without either (FROM SELECT, several VALUES) yields a row without a tenant, which is refused.
    """
    values: dict[Any, Any] = getattr(state.statement, "_values", None) or {}
    own = {getattr(column, "key", column): getattr(value, "value", value) for column, value in values.items()}
    given: Any = state.parameters or [{}]
    return [{**own, **row} for row in (given if isinstance(given, list) else [given])]


@lru_cache(maxsize=1)
def _not_deleted() -> list[ExecutableOption]:
    return [
        with_loader_criteria(model, model.deleted_at.is_(None), include_aliases=True)
        for model in _mapped(SoftDeletable)
    ]


@lru_cache
def _own_tenant(role: Role | None, has_organization: bool) -> list[ExecutableOption]:
    """Conditions that are the same for all actors of a role: their values are those of the actor who runs them."""
    actor = Actor(ACTOR_ID, role, ORGANIZATION_ID if has_organization else None)
    return [
        with_loader_criteria(model, model.visible_to(actor), include_aliases=True) for model in _mapped(TenantOwned)
    ]


@event.listens_for(Mapper, "after_mapper_constructed")
def _include(_mapper: Mapper[Any], _model: type[Any]) -> None:
    """Forget the conditions of known models when there is another one: a statement may be built while importing."""
    _not_deleted.cache_clear()
    _own_tenant.cache_clear()


def _mapped(kind: type[Any]) -> list[Any]:
    return [mapper.class_ for mapper in Base.registry.mappers if issubclass(mapper.class_, kind)]
