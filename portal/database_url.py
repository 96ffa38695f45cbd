"""Parse DATABASE_URL: a PostgreSQL URL in the format of Prisma or libpq."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
NOT_OF_LIBPQ = (
    "schema", "pgbouncer", "connection_limit", "pool_timeout", "socket_timeout", "statement_cache_size", "sslaccept",
)  # fmt: skip
PARTS = re.compile(r"([\w+]+://(?:[^:/]*(?::[^@]*)?@)?)([^/?]*)(.*)", re.DOTALL)
HOST = re.compile(r"(?:\[([^\[\]@]+)\]|([^:\[\]@]*))(?::([0-9]*))?")
MALFORMED = (
    "is not an address like postgresql://user:password@host:5432/name."
    " In the user name and password, write @ as %40, / as %2F, : as %3A, # as %23 and % as %25."
)

Host = tuple[str, str]  # name, address or socket folder; and the port, empty for the default


@dataclass(frozen=True)
class DatabaseUrl:
    """A URL for psycopg, and its arguments for the connection pool. Timeouts are in seconds."""

    url: str = field(repr=False)
    pools_transactions: bool = False  # the URL leads to PgBouncer in transaction mode
    connections: int | None = None
    pool_timeout: float | None = None


def read(text: str) -> DatabaseUrl:
    """Parse the URL. Raises ValueError, without any part of the URL in its message, if it is invalid.

    Arguments of Prisma's PostgreSQL connector have the same meaning here. Those that only its engine needs are ignored,
    and those of libpq (sslmode, connect_timeout ...) are passed on.
    """
    url, hosts = _split(text.strip())
    if url.drivername not in SCHEMES:
        raise ValueError("must begin with postgresql://; the portal runs only on PostgreSQL.")
    if _argument(url, "schema") not in (None, "public"):
        raise ValueError("names a schema other than public, which contains the portal's tables.")
    _refuse_certificates_of_prisma(url)
    leading = _leading_to(_with_arguments(hosts, url), url.set(drivername="postgresql+psycopg"))
    return DatabaseUrl(
        leading.difference_update_query(NOT_OF_LIBPQ).render_as_string(hide_password=False),
        pools_transactions=_argument(url, "pgbouncer") in ("true", "1"),
        connections=_number(url, "connection_limit"),
        pool_timeout=_number(url, "pool_timeout"),
    )


def _split(text: str) -> tuple[URL, list[Host]]:
    """Split off the hosts, because SQLAlchemy supports neither several hosts nor a socket folder."""
    parts = PARTS.fullmatch(text)
    if parts is None:
        raise ValueError(MALFORMED)
    try:
        url = make_url(parts[1] + parts[3])
    except (ArgumentError, ValueError):
        raise ValueError(MALFORMED) from None
    named = [_host(one) for one in parts[2].split(",")] if parts[2] else []
    return url, named


def _host(written: str) -> Host:
    found = HOST.fullmatch(written)
    if found is None or not _is_port(found[3] or ""):
        raise ValueError(MALFORMED)
    return unquote(found[1] or found[2]), found[3] or ""


def _with_arguments(hosts: list[Host], url: URL) -> list[Host]:
    """Hosts from arguments, in libpq's format (host=a,b&port=1,2; a single port is for all) or SQLAlchemy's (host=a:1).

    Arguments override the hosts before the ?.
    """
    named, port = url.query.get("host"), _argument(url, "port")
    if isinstance(named, tuple):
        return [_host(one) for one in named]
    names = [name for name, _ in hosts] if named is None else named.split(",")
    ports = [one for _, one in hosts] or [""] if port is None else port.split(",")
    ports = ports * max(len(names), 1) if len(ports) == 1 else ports
    names = names or [""] * len(ports)
    if len(ports) != len(names) or not all(_is_port(one) for one in ports):
        raise ValueError("has an invalid port: write one number, or one for each host.")
    return list(zip(names, ports, strict=True))


def _leading_to(hosts: list[Host], url: URL) -> URL:
    """Put a single host into the URL. Several hosts, or a socket folder, become arguments, as in libpq.

    If an argument is repeated, the last one counts.
    """
    query = {name: _argument(url, name) or "" for name in url.query if name not in ("host", "port")}
    if len(hosts) == 1 and not hosts[0][0].startswith(("/", "@")):
        ((name, port),) = hosts
        return url.set(host=name or None, port=int(port) if port else None, query=query)
    if hosts:
        query["host"] = ",".join(name for name, _ in hosts)
    if any(port for _, port in hosts):
        query["port"] = ",".join(port for _, port in hosts)
    return url.set(query=query)


def _refuse_certificates_of_prisma(url: URL) -> None:
    """Refuse Prisma's security options that would otherwise be ignored."""
    if _argument(url, "sslaccept") == "strict" and not (_argument(url, "sslmode") or "").startswith("verify"):
        raise ValueError("has sslaccept=strict: write sslmode=verify-full&sslrootcert=FILE, as PostgreSQL does.")
    if _argument(url, "sslidentity"):
        raise ValueError("has sslidentity: write sslcert=FILE&sslkey=FILE, in PEM, as PostgreSQL does.")


def _is_port(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit() and 1 <= int(text) <= 65_535)


def _argument(url: URL, name: str) -> str | None:
    value = url.query.get(name)
    return value if value is None or isinstance(value, str) else value[-1]


def _number(url: URL, name: str) -> int | None:
    text = _argument(url, name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1000:
        raise ValueError(f"has an invalid {name}: write a number from 1 to 1000.")
    return int(text)
