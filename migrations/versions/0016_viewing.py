"""Sessions whose person views the portal as another person."""

from __future__ import annotations

import sqlalchemy as sa

from migrations.helpers.online import make_index
from migrations.helpers.scripts import run, run_file

revision = "0016_viewing"
down_revision = "0015_import_kinds"
branch_labels = None
depends_on = None

COLUMNS = """
ALTER TABLE sessions
ADD COLUMN IF NOT EXISTS viewed_id uuid,
ADD COLUMN IF NOT EXISTS viewing_until timestamptz,
ADD COLUMN IF NOT EXISTS viewing_access text
"""


def upgrade() -> None:
    run(COLUMNS)
    where = sa.text("viewed_id IS NOT NULL")
    make_index("sessions_viewed_id_idx", "sessions", ["viewed_id"], postgresql_where=where)
    run_file(__file__)


def downgrade() -> None:
    run("ALTER TABLE sessions DROP COLUMN viewed_id, DROP COLUMN viewing_until, DROP COLUMN viewing_access")
