"""The product name, accent color and logo that a SUPER_ADMIN chose."""

from __future__ import annotations

from migrations.helpers.loss import refuse_to_lose
from migrations.helpers.scripts import run, run_file

revision = "0024_brand"
down_revision = "0023_moving"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file(__file__)


def downgrade() -> None:
    refuse_to_lose("brands")
    run("""
        DROP TABLE brands;
        DROP FUNCTION portal_record_brand;
    """)
