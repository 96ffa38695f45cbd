"""What people show beside the password: authenticator apps, passkeys, recovery codes. No tenant reads these tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from portal.core.wall import TENANT_ROLE

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# All that anybody within a tenant learns: whether there is one.
HAS_SECOND_FACTOR = """
CREATE FUNCTION portal_has_second_factor(who uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
RETURN EXISTS (SELECT FROM public.authenticators WHERE user_id = who)
    OR EXISTS (SELECT FROM public.passkeys WHERE user_id = who)
"""


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "authenticators",
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("last_step", sa.BigInteger, nullable=False),
        sa.Column("created_at", moment, server_default=sa.func.now(), nullable=False),
        sa.Column("used_at", moment),
        sa.PrimaryKeyConstraint("user_id", name="authenticators_pkey"),
        of_person("authenticators"),
    )
    op.create_table(
        "passkeys",
        sa.Column("id", sa.Uuid, server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("credential_id", sa.LargeBinary, nullable=False),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("created_at", moment, server_default=sa.func.now(), nullable=False),
        sa.Column("used_at", moment),
        sa.PrimaryKeyConstraint("id", name="passkeys_pkey"),
        of_person("passkeys"),
    )
    op.create_index("passkeys_credential_id_key", "passkeys", ["credential_id"], unique=True)
    op.create_index("passkeys_user_id_idx", "passkeys", ["user_id"])
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "code", name="recovery_codes_pkey"),
        of_person("recovery_codes"),
    )
    op.execute(HAS_SECOND_FACTOR)
    op.execute("REVOKE ALL ON FUNCTION portal_has_second_factor(uuid) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION portal_has_second_factor(uuid) TO {TENANT_ROLE}")


def downgrade() -> None:
    op.execute("DROP FUNCTION portal_has_second_factor(uuid)")
    for table in ("recovery_codes", "passkeys", "authenticators"):
        op.drop_table(table)


def of_person(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["user_id"], ["users.id"], name=f"{table}_user_id_fkey", ondelete="CASCADE", onupdate="CASCADE"
    )
