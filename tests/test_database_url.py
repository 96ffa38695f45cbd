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
        ("mysql://a@b/c", "PostgreSQL alone"), ("nonsense", "not an address"),
        ("postgresql://h:port/x", "not an address"), ("postgresql://h/x?schema=sales", "another schema"),
        ("postgresql://h/x?connection_limit=0", "connection_limit"),
        ("postgresql://h/x?connection_limit=many", "connection_limit"),
        ("postgresql://h/x?pool_timeout=-1", "pool_timeout"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_a_reason(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        database_url.read(url)


def test_re13_an_address_says_nothing_of_its_password() -> None:
    assert "hunter2" not in repr(database_url.read(SEED.format("hunter2")))
    with pytest.raises(ValueError) as caught:
        database_url.read("mysql://user:hunter2@host/name")
    assert "hunter2" not in str(caught.value)
