"""What does DATABASE_URL say? The address of a PostgreSQL, as Prisma or libpq write it."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
NOT_OF_LIBPQ = (
    "schema", "pgbouncer", "connection_limit", "pool_timeout", "socket_timeout", "statement_cache_size", "sslaccept",
    "sslidentity", "sslpassword",
)  # fmt: skip


@dataclass(frozen=True)
class DatabaseUrl:
    """An address for psycopg, and what stood beside it for a connection pool. Timeouts in seconds."""

    url: str = field(repr=False)
    pools_transactions: bool = False  # a PgBouncer in transaction mode stands between
    connections: int | None = None
    pool_timeout: float | None = None


def read(text: str) -> DatabaseUrl:
    """ValueError, whose text holds no part of the address, where it can't be one of ours.

    The arguments of Prisma's PostgreSQL connector mean here what they mean there; what only its engine needs is left
    out, and what libpq knows (sslmode, connect_timeout ...) is handed on.
    """
    try:
        url = make_url(text.strip())
        url.port  # noqa: B018 -- is read late
    except (ArgumentError, ValueError):
        raise ValueError(
            "is not an address like postgresql://user:password@host:5432/name."
            " In user and password, write @ as %40, / as %2F, : as %3A, # as %23 and % as %25."
        ) from None
    if url.drivername not in SCHEMES:
        raise ValueError("must begin with postgresql://; the portal runs on PostgreSQL alone.")
    if _argument(url, "schema") not in (None, "public"):
        raise ValueError("names another schema than public, where the portal keeps its tables.")
    return DatabaseUrl(
        url.set(drivername="postgresql+psycopg")
        .difference_update_query(NOT_OF_LIBPQ)
        .render_as_string(hide_password=False),
        pools_transactions=_argument(url, "pgbouncer") in ("true", "1"),
        connections=_number(url, "connection_limit"),
        pool_timeout=_number(url, "pool_timeout"),
    )


def _argument(url: URL, name: str) -> str | None:
    value = url.query.get(name)
    return value if value is None or isinstance(value, str) else value[-1]


def _number(url: URL, name: str) -> int | None:
    text = _argument(url, name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1000:
        raise ValueError(f"says {name} in another way than as a number from 1 to 1000.")
    return int(text)
