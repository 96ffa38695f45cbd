"""Imports from files."""

from __future__ import annotations

import sqlalchemy as sa

from migrations.helpers.online import make_index
from migrations.helpers.scripts import run, run_file

revision = "0010_imports"
down_revision = "0009_jobs"
branch_labels = None
depends_on = None

WATCH = """
SELECT portal_watch('users', $$CASE WHEN r.role <> 'SUPER_ADMIN' THEN r.organization_id END$$, '{password}',
    $$coalesce(nullif(btrim(concat_ws(' ', r.first_name, r.last_name)), ''), r.email)$$)
"""


def upgrade() -> None:
    run("ALTER TABLE users ADD COLUMN IF NOT EXISTS expires_on date")
    where = sa.text("deleted_at IS NULL AND expires_on IS NOT NULL")
    make_index("users_expires_on_idx", "users", ["expires_on"], postgresql_where=where)
    run_file(__file__)


def downgrade() -> None:
    run("DROP FUNCTION portal_forget_imported CASCADE; DROP FUNCTION portal_check_import")
    run("DROP TABLE import_rows, import_parts, imports; ALTER TABLE users DROP COLUMN expires_on")
    run(WATCH)
