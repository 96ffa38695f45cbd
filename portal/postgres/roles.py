"""The PostgreSQL roles of the portal, and the privilege to switch to them."""

from __future__ import annotations

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from portal.core.errors import RightsMissing
from portal.core.row_security import READER_ROLE, TENANT_ROLE

ROLES = (TENANT_ROLE, READER_ROLE)
STRONG = text("SELECT rolsuper OR rolbypassrls OR rolcanlogin OR rolcreaterole FROM pg_roles WHERE rolname = :role")


def ensure_roles(connection: Connection) -> None:
    """Create the roles and grant them to this login. Raises RightsMissing with the statements for an administrator."""
    for role in ROLES:
        for statement in _lacking(connection, role):
            if not _ran(connection, statement):
                statements = "\n".join(f"    {one};" for each in ROLES for one in _lacking(connection, each))
                raise RightsMissing(
                    f"An administrator of the PostgreSQL server must run this once, then upgrade again:\n{statements}"
                )
        if connection.scalar(STRONG, {"role": role}):
            raise RightsMissing(
                f"The role {role} can log in or has too many privileges; it must be NOLOGIN without other attributes."
            )


def _lacking(connection: Connection, role: str) -> list[str]:
    """The statements needed for a role, which must exist and be granted to this login."""
    new = int(connection.dialect.server_version_info[0]) >= 16  # type: ignore[index]
    owner = connection.scalar(text("SELECT quote_ident(session_user)"))
    grant = f"GRANT {role} TO {owner}" + (" WITH INHERIT FALSE, SET TRUE" if new else "")
    if not connection.scalar(text("SELECT true FROM pg_roles WHERE rolname = :role"), {"role": role}):
        return [f"CREATE ROLE {role} NOLOGIN", grant]
    able = text("SELECT pg_has_role(session_user, :role, :kind)")  # a superuser always
    return [] if connection.scalar(able, {"role": role, "kind": "SET" if new else "MEMBER"}) else [grant]


def _ran(connection: Connection, statement: str) -> bool:
    """Run a statement, unless another migration on this server already did. Returns False without the privilege."""
    try:
        with connection.begin_nested():
            connection.execute(text(statement))
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None)
        if state not in ("42501", "42710", "23505"):
            raise
        return bool(state != "42501")
    return True
