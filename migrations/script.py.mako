"""${message}"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.helpers.scripts import run_file

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file(__file__)  # functions, triggers, policies and grants
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
