"""Search people of one organization in an index that also contains their organization."""

from __future__ import annotations

from pathlib import Path

from migrations.helpers.online import committing, make_next, put_next
from migrations.helpers.scripts import run, run_file

revision = "0026_tenant_search"
down_revision = "0025_first_day"
branch_labels = None
depends_on = None

INDEX = "users_search_text_idx"
GIN = {"postgresql_using": "gin", "postgresql_ops": {"search_text": "gin_trgm_ops"}}


def upgrade() -> None:
    with committing():
        run("CREATE EXTENSION IF NOT EXISTS btree_gin SCHEMA public")
    make_next(INDEX, "users", ["organization_id", "search_text"], **GIN)
    put_next(INDEX)
    run_file(__file__)


def downgrade() -> None:
    """Without removing the extension, because others may use it by now."""
    make_next(INDEX, "users", ["search_text"], **GIN)
    put_next(INDEX)
    run(Path(__file__).with_name("0026_tenant_search_former.sql").read_text(encoding="utf-8"))
