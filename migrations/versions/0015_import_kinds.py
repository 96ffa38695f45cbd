"""Imports of every resource that can be imported, and the date on which an account expires."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from migrations.helpers.online import make_index
from migrations.helpers.scripts import run, run_file

revision = "0015_import_kinds"
down_revision = "0014_search_words"
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
    """Imports of other resources than people are removed."""
    run("DELETE FROM imports WHERE resource <> 'users'")
    run("ALTER TABLE import_rows RENAME COLUMN key TO email; ALTER TABLE import_rows RENAME COLUMN row_id TO person_id")
    run("ALTER INDEX import_rows_key_idx RENAME TO import_rows_email_idx")
    run("ALTER TABLE import_rows DROP COLUMN expires_on, DROP COLUMN values; ALTER TABLE imports DROP COLUMN resource")
    run(Path(__file__).with_name("0015_import_kinds_former.sql").read_text(encoding="utf-8"))
    run("ALTER TABLE users DROP COLUMN expires_on")
    run(WATCH)
