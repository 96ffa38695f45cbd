"""Tamper evidence: batches of events are sealed in a keyed hash chain, beside the append-only table of events."""

from __future__ import annotations

from migrations.helpers.loss import refuse_to_lose
from migrations.helpers.scripts import run, run_file

revision = "0005_seals"
down_revision = "0004_history"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_file(__file__)


def downgrade() -> None:
    refuse_to_lose("activity_seals")
    run("""
        DROP FUNCTION portal_erase_activity, portal_prune_activity, portal_unsealed_activity, portal_verify_activity,
            portal_is_misplaced, portal_seal_activity, portal_newest_seal, portal_seal_trouble, portal_seal_digest,
            portal_activity_leaf, portal_operations_begun, portal_operation_values, portal_activity_values;
        DROP TABLE activity_seals, activity_leaves;
    """)
