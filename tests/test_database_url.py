"""Is the database's address understood as the seed's library and PostgreSQL's write it, and refused plainly?"""

from __future__ import annotations

import pytest
from sqlalchemy import make_url

from portal import database_url

SEED = (
    "postgresql://portal:{}@db.example.com:5432/portal?schema=public&pgbouncer=true&connection_limit=10&pool_timeout=5"
)


def test_the_seeds_arguments_mean_what_they_mean_there() -> None:
    found = database_url.read(SEED.format("secret") + "&sslmode=require")

    assert (found.connections, found.pool_timeout, found.pools_transactions) == (10, 5, True)
    assert dict(make_url(found.url).query) == {"sslmode": "require"}


@pytest.mark.parametrize("password", ["p@ss", "a/b?c#d", "100%", "ü:&=+ ", "'\"\\", "x@y:5432/z"])
def test_a_password_may_hold_any_sign_written_as_percent(password: str) -> None:
    written = "".join(f"%{byte:02X}" for byte in password.encode())

    assert make_url(database_url.read(SEED.format(written)).url).password == password


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://a@b/c", "only on PostgreSQL"), ("nonsense", "not an address"),
        ("postgresql://h:port/x", "not an address"), ("postgresql://h/x?schema=sales", "a schema other"),
        ("postgresql://h/x?connection_limit=0", "connection_limit"),
        ("postgresql://h/x?connection_limit=many", "connection_limit"),
        ("postgresql://h/x?pool_timeout=-1", "pool_timeout"), ("postgresql://h:65536/x", "not an address"),
        ("postgresql://user:password@c@d/x", "not an address"), ("postgresql://[::1/x", "not an address"),
        ("postgresql://a:1,b:x/x", "not an address"), ("postgresql://a/x?port=1,2", "port"),
        ("postgresql://a/x?port=five", "port"), ("postgresql://a/x?sslaccept=strict", "sslmode=verify-full"),
        ("postgresql://a/x?sslidentity=me.p12", "sslcert=FILE&sslkey=FILE"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_a_reason(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        database_url.read(url)


@pytest.mark.parametrize(
    ("hosts", "told"),
    [
        ("h", {"host": "h"}), ("h:7", {"host": "h", "port": 7}), ("[::1]:7", {"host": "::1", "port": 7}),
        ("", {}), ("a:1,b:2", {"host": "a,b", "port": "1,2"}), ("a,b:2", {"host": "a,b", "port": ",2"}),
        ("[::1],[fe80::1%25eth0]:2", {"host": "::1,fe80::1%eth0", "port": ",2"}),
        ("%2Fvar%2Frun%2Fpostgresql", {"host": "/var/run/postgresql"}),
        ("%2Frun:7,b", {"host": "/run,b", "port": "7,"}),
    ],
)  # fmt: skip
def test_hosts_ports_and_sockets_reach_the_driver_as_postgresql_writes_them(
    hosts: str, told: dict[str, str | int]
) -> None:
    password = "a%40b%2Fc"  # noqa: S105
    assert driver_told(f"postgresql://u:{password}@{hosts}/x?sslmode=require") == {
        "user": "u", "password": "a@b/c", "dbname": "x", "sslmode": "require", **told
    }  # fmt: skip


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql:///x?host=/run&port=7", {"host": "/run", "port": "7"}),
        ("postgresql:///x?host=a,b&port=7", {"host": "a,b", "port": "7,7"}),
        ("postgresql:///x?host=a,b", {"host": "a,b"}),
        ("postgresql:///x?host=a:1&host=b:2", {"host": "a,b", "port": "1,2"}),
        ("postgresql://a:1/x?host=b", {"host": "b", "port": 1}),
        ("postgresql://a,b/x?port=7", {"host": "a,b", "port": "7,7"}),
        ("postgresql:///x?service=portal&sslmode=a&sslmode=b", {"service": "portal", "sslmode": "b"}),
    ],
)
def test_hosts_among_the_arguments_count_for_more(url: str, told: dict[str, str | int]) -> None:
    assert driver_told(url) == {"dbname": "x", **told}


def driver_told(written: str) -> dict[str, object]:
    url = make_url(database_url.read(written).url)
    told = url.get_dialect()().create_connect_args(url)[1]
    if set(str(told.get("port", ""))) == {","}:  # the usual port of each host
        del told["port"]
    return {name: value for name, value in told.items() if name != "context"}


def test_re13_an_address_says_nothing_of_its_password() -> None:
    assert "hunter2" not in repr(database_url.read(SEED.format("hunter2")))
    with pytest.raises(ValueError) as caught:
        database_url.read("mysql://user:hunter2@host/name")
    assert "hunter2" not in str(caught.value)
