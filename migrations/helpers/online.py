"""Change large tables in a migration while people keep working with them.

Long steps run outside the migration's transaction, without locks that block anybody: indexes are created concurrently,
and rows are changed in batches. Each of these steps commits, so it has to come before steps that can't run twice, and
a retried migration starts it again. If a caller runs all migrations in one transaction, nobody uses the tables yet.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op

# Creating an index concurrently waits for open transactions, but blocks nobody.
PATIENCE = "60s"
SET = "SELECT set_config('lock_timeout', %s, false)"
REWRITING = "SELECT set_config('portal.rewriting', %s, false)"
NEXT = "{}_next"
BATCH = 5_000
LAST = uuid.UUID(int=2**128 - 1)


def is_one_transaction() -> bool:
    """Whether the caller runs all migrations in one transaction: see migrations/env.py."""
    config = op.get_context().config
    return config is not None and "connection" in config.attributes


@contextmanager
def committing() -> Iterator[None]:
    """Commit each statement of the block separately, unless all migrations run in one transaction."""
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
    """Create an index while others read and write. The remains of an interrupted attempt are replaced."""
    beside = not is_one_transaction()
    with committing(), patient():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=beside)
        op.create_index(name, table, columns, postgresql_concurrently=beside, **options)


def make_next(name: str, table: str, columns: Sequence[str | sa.TextClause], **options: Any) -> None:
    """Create the index that will replace this one: see `put_next`."""
    make_index(NEXT.format(name), table, columns, **options)


def put_next(name: str) -> None:
    """Replace an index by the one that `make_next` created, inside the migration's transaction."""
    op.execute(f"DROP INDEX {name}")
    op.execute(f"ALTER INDEX {NEXT.format(name)} RENAME TO {name}")


def in_batches(statement: str) -> None:
    """Run a statement until it changes no more rows. `:most` is the number of rows that it may change at once."""
    with committing():
        while op.get_bind().execute(sa.text(statement), {"most": BATCH}).rowcount:
            pass


def rewrite(table: str, statement: str) -> None:
    """Run a statement for all rows of a table in batches. `{rows}` is the condition for one batch.

    Rows rewritten with the same values are not stamped: see portal_stamp().
    """
    turn = sa.text(statement.format(rows="id > :after AND id <= :until"))
    edge = sa.text(f"SELECT id FROM {table} WHERE id > :after ORDER BY id OFFSET :most LIMIT 1")  # noqa: S608
    after: uuid.UUID | None = uuid.UUID(int=0)
    with committing():
        op.get_bind().exec_driver_sql(REWRITING, ("on",))
        try:
            while after is not None:
                until = op.get_bind().scalar(edge, {"after": after, "most": BATCH - 1})
                op.get_bind().execute(turn, {"after": after, "until": until or LAST})
                after = until
        finally:
            op.get_bind().exec_driver_sql(REWRITING, ("",))
