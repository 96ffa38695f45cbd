"""Database URLs as the seed's library and libpq write them."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url

from portal import database_url

SEED = (
    "postgresql://portal:{}@db.example.com:5432/portal?schema=public&pgbouncer=true&connection_limit=10&pool_timeout=5"
)


def test_the_seeds_url_parameters_keep_their_meaning() -> None:
    found = database_url.read(SEED.format("secret") + "&sslmode=require")

    assert (found.connections, found.pool_timeout, found.pools_transactions) == (10, 5, True)
    assert dict(make_url(found.url).query) == {"sslmode": "require"}


@pytest.mark.parametrize("password", ["p@ss", "a/b?c#d", "100%", "ü:&=+ ", "'\"\\", "x@y:5432/z"])
def test_a_password_can_contain_any_percent_encoded_character(password: str) -> None:
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
def test_an_invalid_url_is_refused_with_a_reason(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        database_url.read(url)


@pytest.mark.parametrize(
    ("hosts", "arguments"),
    [
        ("h", {"host": "h"}), ("h:7", {"host": "h", "port": 7}), ("[::1]:7", {"host": "::1", "port": 7}),
        ("", {}), ("a:1,b:2", {"host": "a,b", "port": "1,2"}), ("a,b:2", {"host": "a,b", "port": ",2"}),
        ("[::1],[fe80::1%25eth0]:2", {"host": "::1,fe80::1%eth0", "port": ",2"}),
        ("%2Fvar%2Frun%2Fpostgresql", {"host": "/var/run/postgresql"}),
        ("%2Frun:7,b", {"host": "/run,b", "port": "7,"}),
    ],
)  # fmt: skip
def test_hosts_ports_and_sockets_are_passed_to_the_driver(hosts: str, arguments: dict[str, str | int]) -> None:
    password = "a%40b%2Fc"  # noqa: S105
    assert driver_arguments(f"postgresql://u:{password}@{hosts}/x?sslmode=require") == {
        "user": "u", "password": "a@b/c", "dbname": "x", "sslmode": "require", **arguments
    }  # fmt: skip


@pytest.mark.parametrize(
    ("url", "arguments"),
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
def test_hosts_in_the_parameters_take_precedence(url: str, arguments: dict[str, str | int]) -> None:
    assert driver_arguments(url) == {"dbname": "x", **arguments}


def driver_arguments(written: str) -> dict[str, object]:
    url = make_url(database_url.read(written).url)
    arguments = url.get_dialect()().create_connect_args(url)[1]
    if set(str(arguments.get("port", ""))) == {","}:  # the usual port of each host
        del arguments["port"]
    return {name: value for name, value in arguments.items() if name != "context"}


def test_re13_the_repr_and_errors_of_a_url_omit_its_password() -> None:
    assert "hunter2" not in repr(database_url.read(SEED.format("hunter2")))
    with pytest.raises(ValueError) as caught:
        database_url.read("mysql://user:hunter2@host/name")
    assert "hunter2" not in str(caught.value)
