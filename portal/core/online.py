"""How does a migration change large tables while people go on working with them?

What takes long is done beside the migration's transaction, holding no lock for which anybody waits: indexes are made
concurrently, many rows are moved in batches. Each of these commits, so it stands before whatever may not be done twice,
and a migration that is tried again begins it anew. Where a caller holds one transaction around all migrations, nobody
works with the tables yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op

# An index that is made concurrently waits for transactions that have begun, and nobody waits behind it.
PATIENCE = "60s"
SET = "SELECT set_config('lock_timeout', %s, false)"
NEXT = "{}_next"
BATCH = 5_000


def is_one_transaction() -> bool:
    """Whether the caller of all migrations holds the transaction: see migrations/env.py."""
    config = op.get_context().config
    return config is not None and "connection" in config.attributes


@contextmanager
def committing() -> Iterator[None]:
    """Each statement of the block is a transaction of its own, where it can be."""
    if is_one_transaction():
        yield
        return
    with op.get_context().autocommit_block():
        yield


@contextmanager
def patient() -> Iterator[None]:
    usual = op.get_bind().exec_driver_sql("SHOW lock_timeout").scalar_one()
    op.get_bind().exec_driver_sql(SET, (PATIENCE,))
    try:
        yield
    finally:
        op.get_bind().exec_driver_sql(SET, (usual,))


def make_index(name: str, table: str, columns: Sequence[str | sa.TextClause], **options: Any) -> None:
    """An index, while others read and write. What a try that was interrupted left of it is made anew."""
    beside = not is_one_transaction()
    with committing(), patient():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=beside)
        op.create_index(name, table, columns, postgresql_concurrently=beside, **options)


def make_next(name: str, table: str, columns: Sequence[str | sa.TextClause], **options: Any) -> None:
    """The index that shall come in the place of this one: see `put_next`."""
    make_index(NEXT.format(name), table, columns, **options)


def put_next(name: str) -> None:
    """Within the migration's transaction: the index made for that takes the place of this one."""
    op.execute(f"DROP INDEX {name}")
    op.execute(f"ALTER INDEX {NEXT.format(name)} RENAME TO {name}")


def in_batches(statement: str) -> None:
    """Run it until it touches no row any more; `:most` stands for how many it may touch at once."""
    with committing():
        while op.get_bind().execute(sa.text(statement), {"most": BATCH}).rowcount:
            pass
