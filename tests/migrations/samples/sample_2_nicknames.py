"""A sample of a later migration: a column filled in batches, a function that uses it, and removed rows."""

from __future__ import annotations

from migrations.helpers.online import committing, in_batches, rewrite
from migrations.helpers.scripts import run, run_file

revision = "sample_2_nicknames"
down_revision = "sample_1_indexes"
branch_labels = None
depends_on = None

EXPIRED = """
DELETE FROM refresh_tokens WHERE id IN (SELECT id FROM refresh_tokens WHERE expires_at < now() LIMIT :most)
"""


def upgrade() -> None:
    with committing():
        run("ALTER TABLE users ADD COLUMN IF NOT EXISTS nickname text")
    rewrite("users", "UPDATE users SET nickname = first_name WHERE {rows} AND nickname IS DISTINCT FROM first_name")
    in_batches(EXPIRED)
    run_file(__file__)


def downgrade() -> None:
    run("""
        CREATE OR REPLACE FUNCTION portal_keep_users_sorted() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.sort_name := public.portal_sort_name(NEW.last_name, NEW.first_name, NEW.email);
            RETURN NEW;
        END $$;
        ALTER TABLE users DROP COLUMN nickname;
    """)
