"""Organizations, people and their sign-ins, with search and stamps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


ROLE = postgresql.ENUM("USER", "ADMIN", "SUPER_ADMIN", name="Role", create_type=False)
LIVING = sa.text("deleted_at IS NULL")
GONE = sa.text("deleted_at IS NOT NULL")
NEWEST = [sa.text("created_at DESC"), sa.text("id DESC")]
REMOVED = [sa.text("deleted_at DESC"), sa.text("id DESC")]

# Trigrams are made of letters and digits alone, so a search for other signs would have nothing to look up: each sign
# stands as a word of its own, written as a letter that nobody uses. ASCII signs stay apart, all others are one.
SIGNS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
LETTERS = "".join(chr(0x1401 + number) for number in range(len(SIGNS) + 1))  # Canadian syllabics

# unaccent is only STABLE because its dictionary could be replaced; ours never is, so an index may rely on it.
FOLD = f"""
CREATE FUNCTION portal_fold(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN regexp_replace(
    regexp_replace(
        translate(lower(unaccent('unaccent'::regdictionary, value)), {literal(SIGNS)}, '{LETTERS[:-1]}'),
        '[^[:alnum:][:space:]]', '{LETTERS[-1]}', 'g'),
    '([{LETTERS}])', ' \\1 ', 'g')
"""

# One or two letters anywhere in a text would be looked up in vain too; at the beginning of a word they are found.
SEARCH_PATTERN = """
CREATE FUNCTION portal_search_pattern(word text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN CASE WHEN char_length(btrim(portal_fold(word))) < 3 THEN '% ' || btrim(portal_fold(word)) || '%'
    ELSE '%' || portal_fold(word) || '%' END
"""

# With an actor the actor is stamped, whatever the statement says; without one a program may say who it acts for.
STAMP = """
CREATE FUNCTION portal_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE actor uuid := nullif(current_setting('portal.actor_id', true), '')::uuid;
BEGIN
    NEW.updated_at := clock_timestamp();
    IF TG_OP = 'INSERT' THEN
        NEW.version := 1;
        NEW.created_by := coalesce(actor, NEW.created_by);
        NEW.updated_by := coalesce(actor, NEW.updated_by, NEW.created_by);
        NEW.deleted_by := CASE WHEN NEW.deleted_at IS NOT NULL THEN coalesce(actor, NEW.deleted_by) END;
        RETURN NEW;
    END IF;
    NEW.version := OLD.version + 1;
    NEW.created_at := OLD.created_at;
    NEW.created_by := OLD.created_by;
    NEW.updated_by := coalesce(actor, nullif(NEW.updated_by, OLD.updated_by));
    NEW.deleted_by := CASE
        WHEN NEW.deleted_at IS NULL THEN NULL
        WHEN OLD.deleted_at IS NULL THEN coalesce(actor, NEW.updated_by)
        ELSE OLD.deleted_by END;
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public")
    op.execute("CREATE EXTENSION IF NOT EXISTS unaccent SCHEMA public")
    for function in (FOLD, SEARCH_PATTERN, STAMP):
        op.execute(function)
    op.execute("""CREATE TYPE "Role" AS ENUM ('USER', 'ADMIN', 'SUPER_ADMIN')""")
    create_organizations()
    create_users()
    create_refresh_tokens()


def downgrade() -> None:
    for table in ("refresh_tokens", "users", "organizations"):
        op.drop_table(table)
    op.execute('DROP TYPE "Role"')
    for function in ("portal_stamp()", "portal_search_pattern(text)", "portal_fold(text)"):
        op.execute(f"DROP FUNCTION {function}")
    # The extensions stay: another program of this database may have come to use them.


def create_organizations() -> None:
    op.create_table(
        "organizations",
        key(),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("slug", sa.Text, nullable=False),
        sa.Column("sort_name", sa.Text, sa.Computed("lower(name)", persisted=True), nullable=False),
        sa.Column(
            "search_text",
            sa.Text,
            sa.Computed("' ' || portal_fold(name || ' ' || slug)", persisted=True),
            nullable=False,
        ),
        *stamped(),
        sa.PrimaryKeyConstraint("id", name="organizations_pkey"),
    )
    index("organizations_slug_key", "organizations", ["slug"], where=LIVING, unique=True)
    index("organizations_created_at_idx", "organizations", NEWEST, where=LIVING)
    index("organizations_name_idx", "organizations", ["sort_name", "id"], where=LIVING)
    index("organizations_deleted_at_idx", "organizations", REMOVED, where=GONE)
    trigram_index("organizations")
    stamp("organizations")


def create_users() -> None:
    op.create_table(
        "users",
        key(),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("password", sa.Text),
        sa.Column("first_name", sa.Text),
        sa.Column("last_name", sa.Text),
        sa.Column("role", ROLE, server_default=sa.text("'USER'"), nullable=False),
        sa.Column("is_active", sa.Boolean, server_default=sa.true(), nullable=False),
        sa.Column("email_verified", sa.Boolean, server_default=sa.false(), nullable=False),
        sa.Column("must_change_password", sa.Boolean, server_default=sa.false(), nullable=False),
        sa.Column("organization_id", sa.Uuid),
        sa.Column(
            "sort_name",
            sa.Text,
            sa.Computed("lower(coalesce(last_name, '') || ' ' || coalesce(first_name, ''))", persisted=True),
            nullable=False,
        ),
        sa.Column(
            "search_text",
            sa.Text,
            sa.Computed(
                "' ' || portal_fold(coalesce(first_name, '') || ' ' || coalesce(last_name, '') || ' ' || email)",
                persisted=True,
            ),
            nullable=False,
        ),
        *stamped(),
        sa.PrimaryKeyConstraint("id", name="users_pkey"),
        organization_reference("users"),
    )
    index("users_email_key", "users", [sa.text("lower(email)")], where=LIVING, unique=True)
    index("users_email_idx", "users", ["email"])
    index("users_organization_id_idx", "users", ["organization_id"])
    # What rides along lets people be counted from the index alone.
    index("users_created_at_idx", "users", NEWEST, where=LIVING, include=["is_active"])
    index("users_name_idx", "users", ["sort_name", "id"], where=LIVING)
    home: list[str | sa.TextClause] = ["organization_id", *NEWEST]
    index("users_organization_created_at_idx", "users", home, where=LIVING, include=["role", "is_active"])
    index("users_organization_name_idx", "users", ["organization_id", "sort_name", "id"], where=LIVING)
    few = sa.text("deleted_at IS NULL AND role <> 'USER'")
    index("users_role_idx", "users", ["role", "organization_id", *NEWEST], where=few)
    index(
        "users_deactivated_idx",
        "users",
        ["organization_id", *NEWEST],
        where=sa.text("deleted_at IS NULL AND NOT is_active"),
    )
    index("users_deleted_at_idx", "users", REMOVED, where=GONE)
    index("users_organization_deleted_at_idx", "users", ["organization_id", *REMOVED], where=GONE)
    trigram_index("users")
    stamp("users")


def create_refresh_tokens() -> None:
    op.create_table(
        "refresh_tokens",
        key(),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("organization_id", sa.Uuid),
        sa.Column("family_id", sa.Uuid, server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="refresh_tokens_pkey"),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name="refresh_tokens_user_id_fkey",
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
        organization_reference("refresh_tokens"),
    )
    index("refresh_tokens_token_key", "refresh_tokens", ["token"], unique=True)
    index("refresh_tokens_user_id_idx", "refresh_tokens", ["user_id"])
    index("refresh_tokens_organization_id_idx", "refresh_tokens", ["organization_id"])
    index("refresh_tokens_family_id_idx", "refresh_tokens", ["family_id"])


def key() -> sa.Column[Any]:
    return sa.Column("id", sa.Uuid, server_default=sa.text("gen_random_uuid()"), nullable=False)


def stamped() -> list[sa.Column[Any]]:
    moment = sa.DateTime(timezone=True)
    return [
        sa.Column("created_at", moment, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", moment, server_default=sa.func.now(), nullable=False),
        sa.Column("deleted_at", moment),
        sa.Column("created_by", sa.Uuid),
        sa.Column("updated_by", sa.Uuid),
        sa.Column("deleted_by", sa.Uuid),
        sa.Column("version", sa.Integer, server_default=sa.text("1"), nullable=False),
    ]


def organization_reference(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organization_id"],
        ["organizations.id"],
        name=f"{table}_organization_id_fkey",
        ondelete="SET NULL",
        onupdate="CASCADE",
    )


def index(
    name: str,
    table: str,
    columns: Sequence[str | sa.TextClause],
    *,
    where: sa.TextClause | None = None,
    unique: bool = False,
    include: Sequence[str] = (),
) -> None:
    extra: dict[str, Any] = {"postgresql_include": list(include)} if include else {}
    op.create_index(name, table, list(columns), postgresql_where=where, unique=unique, **extra)


def trigram_index(table: str) -> None:
    op.create_index(
        f"{table}_search_text_idx",
        table,
        ["search_text"],
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    )
    # How frequent a word is must be known well: it decides between walking the newest rows and looking the word up.
    op.execute(f"ALTER TABLE {table} ALTER COLUMN search_text SET STATISTICS 1000")


def stamp(table: str) -> None:
    op.execute(f"CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION portal_stamp()")
