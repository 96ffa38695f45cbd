"""More filters of the list of people: indexes for them, and a search that applies any number of them."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from migrations.helpers.online import committing, make_index, make_next, patient, put_next
from migrations.helpers.scripts import run, run_file

revision = "0018_filters"
down_revision = "0017_settings"
branch_labels = None
depends_on = None

ACTIVE = sa.text("deleted_at IS NULL")
LONG_AGO = "'0001-01-01 00:00:00+00'::timestamp with time zone"
FORMER = sa.text(f"COALESCE(last_sign_in_at, {LONG_AGO}) DESC")
# Behind a policy, the planner uses no index on COALESCE, because it doesn't know that it leaks nothing.
LAST_SIGN_IN = f"(CASE WHEN last_sign_in_at IS NULL THEN {LONG_AGO} ELSE last_sign_in_at END)"
SIGNED_IN = sa.text(f"{LAST_SIGN_IN} DESC")
NEWEST = sa.text("id DESC")
CREATED = sa.text("created_at DESC")
DEACTIVATED = sa.text("deleted_at IS NULL AND NOT is_active")
STATE = ["is_active", "invited_at", "accepted_at"]
EVERYWHERE = ["created_at", "organization_id", *STATE]
INSIDE = ["created_at", "role", *STATE]


def upgrade() -> None:
    """Indexes on the last sign-in get what decides on the tab of a person, so that counting reads only them.

    The planner doesn't use the statistics of partial indexes, so it needs others on their expression.
    """
    seen, of_one = ["last_sign_in_at"], sa.text("organization_id")
    signed_in: list[str | sa.TextClause] = [SIGNED_IN, NEWEST]
    changed = [sa.text("updated_at DESC"), NEWEST]
    of_all = {"postgresql_where": ACTIVE}
    make_next("users_last_sign_in_idx", "users", signed_in, postgresql_include=[*seen, *EVERYWHERE], **of_all)
    inside = "users_organization_last_sign_in_idx"
    make_next(inside, "users", [of_one, *signed_in], postgresql_include=[*seen, *INSIDE], **of_all)
    make_index("users_updated_at_idx", "users", changed, postgresql_include=EVERYWHERE, **of_all)
    inside_changed = "users_organization_updated_at_idx"
    make_index(inside_changed, "users", [of_one, *changed], postgresql_include=INSIDE, **of_all)
    invited = ["role", "invited_at", "accepted_at"]
    of_one_newest = [of_one, CREATED, NEWEST]
    make_next("users_deactivated_idx", "users", of_one_newest, postgresql_include=invited, postgresql_where=DEACTIVATED)
    with committing(), patient():
        run(f"CREATE STATISTICS IF NOT EXISTS users_last_sign_in ON {LAST_SIGN_IN} FROM users; ANALYZE users")
    put_next("users_last_sign_in_idx")
    put_next(inside)
    put_next("users_deactivated_idx")
    run("DROP FUNCTION portal_find_users")
    run_file(__file__)


def downgrade() -> None:
    run("DROP INDEX users_updated_at_idx, users_organization_updated_at_idx; DROP STATISTICS users_last_sign_in")
    make_next("users_last_sign_in_idx", "users", [FORMER, NEWEST], postgresql_where=ACTIVE)
    inside = "users_organization_last_sign_in_idx"
    make_next(inside, "users", ["organization_id", FORMER, NEWEST], postgresql_where=ACTIVE)
    make_next("users_deactivated_idx", "users", ["organization_id", CREATED, NEWEST], postgresql_where=DEACTIVATED)
    put_next("users_deactivated_idx")
    put_next("users_last_sign_in_idx")
    put_next(inside)
    run("DROP FUNCTION portal_find_users")
    run(Path(__file__).with_name("0018_filters_former.sql").read_text(encoding="utf-8"))
