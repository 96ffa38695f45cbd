"""The second wall: everybody whom a tenant bounds acts as a role that row-level security bounds too."""

from __future__ import annotations

import click
import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DBAPIError

from portal.core.wall import raised, taken_down

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROLE = "portal_tenant"
TENANT = "(SELECT nullif(current_setting('portal.organization_id', true), '')::uuid)"
ONESELF = "(SELECT nullif(current_setting('portal.actor_id', true), '')::uuid)"

# Everything but the password: its hash is read by the sign-in alone.
READ_OF_PEOPLE = (
    "id, email, first_name, last_name, role, is_active, email_verified, must_change_password, organization_id,"
    " sort_name, search_text, created_at, updated_at, deleted_at, created_by, updated_by, deleted_by, version"
)
# Neither key nor organization: within a tenant nobody is moved out of it.
WRITTEN_OF_PEOPLE = (
    "email, password, first_name, last_name, role, is_active, email_verified, must_change_password, deleted_at"
)


def upgrade() -> None:
    have_role()
    op.execute(f"GRANT USAGE ON SCHEMA public TO {ROLE}")
    for statement in (
        *raised("organizations", f"id = {TENANT}", "SELECT, UPDATE (name)"),
        *raised(
            "users",
            f"CASE WHEN id = {ONESELF} THEN true ELSE organization_id = {TENANT} AND role <> 'SUPER_ADMIN' END",
            f"SELECT ({READ_OF_PEOPLE}), INSERT, UPDATE ({WRITTEN_OF_PEOPLE})",
            writable=f"role <> 'SUPER_ADMIN' AND (id = {ONESELF} OR organization_id = {TENANT})",
        ),
        *raised(
            "refresh_tokens",
            "EXISTS (SELECT FROM users WHERE users.id = user_id)",
            "SELECT (id, user_id, organization_id, family_id, expires_at, created_at, revoked_at), UPDATE (revoked_at)",
        ),
    ):
        op.execute(statement)
    # Comparing roles is not leakproof, so under a policy it can't choose what of an index is read: few rows must be.
    op.create_index(
        "users_staff_idx",
        "users",
        ["organization_id", sa.text("created_at DESC"), sa.text("id DESC")],
        postgresql_where=sa.text("deleted_at IS NULL AND role <> 'USER'"),
        postgresql_include=["role", "is_active"],
    )


def downgrade() -> None:
    op.drop_index("users_staff_idx", "users")
    for table in ("refresh_tokens", "users", "organizations"):
        for statement in taken_down(table):
            op.execute(statement)
    op.execute(f"REVOKE ALL ON SCHEMA public FROM {ROLE}")
    # The role stays: it belongs to the whole server, and other databases may use it.


def have_role() -> None:
    """The role, and the right to take it; where either may not be made here, say what an administrator runs."""
    connection = op.get_bind()
    owner = connection.scalar(sa.text("SELECT quote_ident(session_user)"))
    new = int(connection.dialect.server_version_info[0]) >= 16  # type: ignore[index]
    create = f"CREATE ROLE {ROLE} NOLOGIN"
    grant = f"GRANT {ROLE} TO {owner}" + (" WITH INHERIT FALSE, SET TRUE" if new else "")
    if not connection.scalar(sa.text("SELECT true FROM pg_roles WHERE rolname = :role"), {"role": ROLE}):
        attempt(create, create, grant)
    able = sa.text("SELECT pg_has_role(session_user, :role, :kind)")  # a superuser always
    if not connection.scalar(able, {"role": ROLE, "kind": "SET" if new else "MEMBER"}):
        attempt(grant, grant)
    strong = sa.text(
        "SELECT rolsuper OR rolbypassrls OR rolcanlogin OR rolcreaterole FROM pg_roles WHERE rolname = :role"
    )
    if connection.scalar(strong, {"role": ROLE}):
        raise click.ClickException(f"The role {ROLE} may log in, or may too much; it must be NOLOGIN and no more.")


def attempt(statement: str, *told: str) -> None:
    """Run it, unless another migrator of the server was faster. Without the right, tell who has it what to do."""
    connection = op.get_bind()
    try:
        with connection.begin_nested():
            connection.execute(sa.text(statement))
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None)
        if state == "42501":
            advice = "\n".join(f"    {one};" for one in told)
            raise click.ClickException(
                f"An administrator of the PostgreSQL server must run this once, then upgrade again:\n{advice}"
            ) from None
        if state not in ("42710", "23505"):
            raise
