"""Origins of events can be erased on their own."""

from __future__ import annotations

from pathlib import Path

from migrations.helpers.loss import refuse_to_lose
from migrations.helpers.scripts import run, run_file

revision = "0013_origins"
down_revision = "0012_follows"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file(__file__)


def downgrade() -> None:
    refuse_to_lose("activity_seals")
    run(Path(__file__).with_name("0013_origins_former.sql").read_text(encoding="utf-8"))
