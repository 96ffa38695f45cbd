"""The email queue, in a schema of its own."""

from __future__ import annotations

from alembic import op
from procrastinate.schema import SchemaManager

from migrations.helpers.scripts import run, run_file

revision = "0006_email_queue"
down_revision = "0005_seals"
branch_labels = None
depends_on = None

# A later release of procrastinate brings steps of its own: they become a migration, which looks first what is there.
USUAL = "SHOW search_path"


def upgrade() -> None:
    usual = op.get_bind().exec_driver_sql(USUAL).scalar_one()
    run("CREATE SCHEMA queue; SET LOCAL search_path = queue, public")
    run(SchemaManager.get_schema())
    run(f"SET LOCAL search_path = {usual}")
    run_file(__file__)


def downgrade() -> None:
    run("DROP FUNCTION portal_send_later; DROP SCHEMA queue CASCADE")
