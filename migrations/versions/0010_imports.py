"""Imports of people from files."""

from __future__ import annotations

from migrations.helpers.scripts import run, run_file

revision = "0010_imports"
down_revision = "0009_jobs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file(__file__)


def downgrade() -> None:
    run("DROP FUNCTION portal_forget_imported CASCADE; DROP FUNCTION portal_check_import")
    run("DROP TABLE import_rows, import_parts, imports")
