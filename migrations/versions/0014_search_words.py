"""Words for the suggestions of searches without a hit."""

from __future__ import annotations

from migrations.helpers.online import committing
from migrations.helpers.scripts import run, run_file

revision = "0014_search_words"
down_revision = "0013_origins"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The triggers come first, so that no word is missed while those of existing rows are added."""
    run_file(__file__)
    with committing():
        run("SELECT portal_refresh_words()")


def downgrade() -> None:
    """portal_find_users stays: it returns the same as before."""
    run("DROP FUNCTION portal_keep_words CASCADE")
    run("DROP FUNCTION portal_similar_words, portal_refresh_words, portal_adding_words; DROP TABLE search_words")
    run("DROP FUNCTION portal_words")
