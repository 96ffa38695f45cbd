"""Settings of an organization: who may invite, email domains, two-factor, sessions, passwords and seats."""

from __future__ import annotations

from pathlib import Path

from migrations.helpers.scripts import run, run_file

revision = "0017_settings"
down_revision = "0016_viewing"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file(__file__)


def downgrade() -> None:
    """The settings are lost."""
    run(Path(__file__).with_name(f"{revision}_former.sql").read_text(encoding="utf-8"))
