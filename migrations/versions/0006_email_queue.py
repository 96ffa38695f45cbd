"""The email queue, in a separate schema."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from migrations.helpers.scripts import run, run_file

revision = "0006_email_queue"
down_revision = "0005_seals"
branch_labels = None
depends_on = None

# If a later release of procrastinate changes its schema, its migration scripts become a migration here.
SCHEMA = Path(__file__).with_name("0006_email_queue_schema.sql")
USUAL = "SHOW search_path"


def upgrade() -> None:
    usual = op.get_bind().exec_driver_sql(USUAL).scalar_one()
    run("CREATE SCHEMA queue; SET LOCAL search_path = queue, public")
    run(SCHEMA.read_text(encoding="utf-8"))
    run(f"SET LOCAL search_path = {usual}")
    run_file(__file__)


def downgrade() -> None:
    run("DROP FUNCTION portal_send_later; DROP SCHEMA queue CASCADE")
