"""The second wall: everybody whom a tenant bounds acts as a role that row-level security bounds too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from portal.core.online import make_index, make_next, put_next
from portal.core.roles import have_roles
from portal.core.wall import raised, taken_down

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROLE = "portal_tenant"
HOME_INDEX = "users_organization_created_at_idx"
HOME: list[str | sa.TextClause] = ["organization_id", sa.text("created_at DESC"), sa.text("id DESC")]
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

# LIKE is not leakproof, so under a policy a search reads every row of the tenant. This finds people by the index of
# words: it runs as the owner, and holds the same condition itself. Only what is asked for becomes part of the
# statement, so that its plan is made for just that. `place` is where the page begins, in the order asked for.
FIND_USERS = """
CREATE FUNCTION portal_find_users(
    patterns text[], state text, house uuid, wanted "Role", verified boolean, since timestamptz,
    sort text, down boolean, place text, place_id uuid, most integer)
RETURNS SETOF uuid LANGUAGE plpgsql STABLE ROWS 26 SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    own CONSTANT uuid := nullif(current_setting('portal.organization_id', true), '')::uuid;
    sorted CONSTANT text := CASE sort WHEN 'name' THEN 'sort_name' WHEN 'deleted_at' THEN sort ELSE 'created_at' END;
    kind CONSTANT text := CASE sort WHEN 'name' THEN 'text' ELSE 'timestamptz' END;
    way CONSTANT text := CASE WHEN down THEN 'DESC' ELSE 'ASC' END;
BEGIN
    IF own IS NULL OR house <> own OR current_setting('portal.actor_role', true) IS DISTINCT FROM 'ADMIN' THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE 'SELECT id FROM users WHERE organization_id = $1 AND role <> ''SUPER_ADMIN'''
        || CASE state WHEN 'active' THEN ' AND deleted_at IS NULL AND is_active'
            WHEN 'deactivated' THEN ' AND deleted_at IS NULL AND NOT is_active'
            WHEN 'deleted' THEN ' AND deleted_at IS NOT NULL' ELSE '' END
        || CASE WHEN wanted IS NULL THEN '' ELSE ' AND role = $2' END
        || CASE WHEN verified IS NULL THEN '' ELSE ' AND email_verified = $3' END
        || CASE WHEN since IS NULL THEN '' ELSE ' AND created_at >= $4' END
        || (SELECT coalesce(string_agg(format(' AND search_text LIKE %L', one), ''), '') FROM unnest(patterns) one)
        || CASE WHEN place_id IS NULL THEN ''
            ELSE format(' AND (%I, id) %s ($5::%s, $6)', sorted, CASE WHEN down THEN '<' ELSE '>' END, kind) END
        || format(' ORDER BY %I %s, id %s LIMIT $7', sorted, way, way)
        USING own, wanted, verified, since, place, place_id, most;
END $$
"""
FIND_USERS_TYPES = 'text[], text, uuid, "Role", boolean, timestamptz, text, boolean, text, uuid, integer'


def upgrade() -> None:
    make_indexes()
    have_roles(op.get_bind())
    op.execute(FIND_USERS)
    op.execute(f"REVOKE ALL ON FUNCTION portal_find_users({FIND_USERS_TYPES}) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION portal_find_users({FIND_USERS_TYPES}) TO {ROLE}")
    op.execute(f"GRANT USAGE ON SCHEMA public TO {ROLE}")
    # In the order in which requests take tables, those that refer to others first: else each waits for the other.
    for statement in (
        *raised(
            "refresh_tokens",
            "EXISTS (SELECT FROM users WHERE users.id = user_id)",
            "SELECT (id, user_id, organization_id, family_id, expires_at, created_at, revoked_at), UPDATE (revoked_at)",
        ),
        *raised(
            "users",
            f"CASE WHEN id = {ONESELF} THEN true ELSE organization_id = {TENANT} AND role <> 'SUPER_ADMIN' END",
            f"SELECT ({READ_OF_PEOPLE}), INSERT, UPDATE ({WRITTEN_OF_PEOPLE})",
            writable=f"role <> 'SUPER_ADMIN' AND (id = {ONESELF} OR organization_id = {TENANT})",
        ),
        *raised("organizations", f"id = {TENANT}", "SELECT, UPDATE (name)"),
    ):
        op.execute(statement)
    put_next(HOME_INDEX)


def downgrade() -> None:
    op.drop_index("users_staff_idx", "users")
    op.drop_index(HOME_INDEX, "users")
    living = sa.text("deleted_at IS NULL")
    op.create_index(HOME_INDEX, "users", HOME, postgresql_where=living, postgresql_include=["role", "is_active"])
    op.execute(f"DROP FUNCTION portal_find_users({FIND_USERS_TYPES})")
    for table in ("refresh_tokens", "users", "organizations"):
        for statement in taken_down(table):
            op.execute(statement)
    op.execute(f"REVOKE ALL ON SCHEMA public FROM {ROLE}")
    # The role stays: it belongs to the whole server, and other databases may use it.


def make_indexes() -> None:
    # What filters ask for rides along, so that a tenant's people are counted from the index alone.
    included = ["role", "is_active", "email_verified"]
    living = sa.text("deleted_at IS NULL")
    make_next(HOME_INDEX, "users", HOME, postgresql_where=living, postgresql_include=included)
    # Comparing roles is not leakproof, so under a policy it can't choose what of an index is read: few rows must be.
    few = sa.text("deleted_at IS NULL AND role <> 'USER'")
    make_index("users_staff_idx", "users", HOME, postgresql_where=few, postgresql_include=["role", "is_active"])
