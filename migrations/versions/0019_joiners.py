"""The date on which an account is activated."""

from __future__ import annotations

import sqlalchemy as sa

from migrations.helpers.online import make_index
from migrations.helpers.scripts import run, run_file

revision = "0019_joiners"
down_revision = "0018_filters"
branch_labels = None
depends_on = None

WATCH = """
SELECT portal_watch('users', $$CASE WHEN r.role <> 'SUPER_ADMIN' THEN r.organization_id END$$, '{password}',
    $$coalesce(nullif(btrim(concat_ws(' ', r.first_name, r.last_name)), ''), r.email)$$)
"""


def upgrade() -> None:
    run("ALTER TABLE users ADD COLUMN IF NOT EXISTS activates_on date")
    where = sa.text("deleted_at IS NULL AND activates_on IS NOT NULL")
    make_index("users_activates_on_idx", "users", ["activates_on"], postgresql_where=where)
    run_file(__file__)


def downgrade() -> None:
    run("ALTER TABLE users DROP COLUMN activates_on")
    run(WATCH)
