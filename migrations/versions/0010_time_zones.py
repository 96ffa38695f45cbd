"""A time zone of one's own, in which all times are shown."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

WATCH_ANEW = """
SELECT portal_watch('users', 'CASE WHEN r.role <> ''SUPER_ADMIN'' THEN r.organization_id END', '{password}')
"""


def upgrade() -> None:
    op.add_column("users", sa.Column("time_zone", sa.Text))
    op.execute("GRANT SELECT (time_zone), UPDATE (time_zone) ON users TO portal_tenant")
    op.execute(WATCH_ANEW)


def downgrade() -> None:
    op.drop_column("users", "time_zone")
    op.execute(WATCH_ANEW)
