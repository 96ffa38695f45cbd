"""Client addresses are parsed strictly, and rate limits count per network."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core.db import db
from portal.core.history import Activity
from portal.tokens.models import Session
from portal.web.client_address import LONGEST, UNKNOWN, network_of, parse
from tests.access.visitor import Visitor
from tests.acting import acting, portal_on
from tests.cast import PASSWORD, Builder, Person

NONSENSE = [
    "", " ", "unknown", "_hidden", "-", "localhost", "portal.example.com", "203.0.113", "203.0.113.256",
    "203.0.113.051", "203.0.113.51.", "203.0.113.51:", "203.0.113.51:port", "203.0.113.51:123456", "203.0.113.51:1:2",
    "203.0.113.51/32", "203.0.113.51%eth0", "[203.0.113.51]", "0xcb.0.113.51", "3405803827", "２０３.0.113.51",
    "203.0.113.51\n", "::1::", "2001:db8::g", "[2001:db8::1", "2001:db8::1]", "[2001:db8::1]443", "[[2001:db8::1]]",
    "2001:db8::1%", "[]", "[]:443", "2001:db8::1/64", "fe80::1%eth0%eth1", "for=203.0.113.51", '"203.0.113.51"',
    "203.0.113.51;x", "<b>203.0.113.51</b>", "' OR 1=1 --", "%", ":", ":::", ".", "..",
    "203.0.113.51" + " " * LONGEST, "1" * 5000, ":" * 5000, "[" * 90,
]  # fmt: skip


@pytest.fixture
def portal_behind(fresh_database: str) -> Iterator[Callable[[int], Flask]]:
    """A portal behind this many proxies that allows four wrong passwords per network, half of them at once."""
    opened = []

    def open_one(proxies: int) -> Flask:
        bounds = {"guesses_per_network": 4, "guesses_per_account": 1000}
        opened.append(portal_on(fresh_database, trusted_proxies=proxies, **bounds))
        return opened[-1].__enter__()

    yield open_one
    for one in opened:
        one.__exit__(None, None, None)


def guesses(app: Flask, *forwarded: str) -> list[int]:
    """The statuses of wrong passwords, each for another account and with one of these headers."""
    visitor = Visitor(app)
    return [
        visitor.post(
            "/login",
            {"email": f"nobody{number}@example.com", "password": "wrong"},
            headers={"X-Forwarded-For": one},
        ).status_code
        for number, one in enumerate(forwarded)
    ]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.51", "203.0.113.51"),
        (" \t203.0.113.51 ", "203.0.113.51"),
        ("203.0.113.51:40000", "203.0.113.51"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25en.0]:443", "fe80::1"),
        ("::1", "::1"),
        ("::ffff:203.0.113.51", "203.0.113.51"),
        ("[::ffff:cb00:7133]:443", "203.0.113.51"),
        ("64:ff9b::203.0.113.51", "203.0.113.51"),
        ("2002:cb00:7133::1", "2002:cb00:7133::1"),
    ],
)
def test_an_address_is_parsed_without_port_brackets_and_zone(text: str, address: str) -> None:
    assert str(parse(text)) == address


@pytest.mark.parametrize("text", NONSENSE)
def test_invalid_addresses_count_as_one_unknown_network(text: str) -> None:
    assert parse(text) is None
    assert network_of(text) == UNKNOWN


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.51", "203.0.113.51"),
        ("::ffff:203.0.113.51", "203.0.113.51"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2002:cb00:7133:1::1", "203.0.113.51"),
        ("2002:cb00:7133:2::1", "203.0.113.51"),
    ],
)
def test_ipv6_counts_per_64_bits_and_embedded_ipv4_as_ipv4(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    "pattern",
    [
        "203.0.113.51:{}",
        "[2001:db8::1]:{}",
        "2001:db8::{:x}",
        "[2001:db8::{:x}]:443",
        "fe80::1%eth{}",
        "::ffff:203.0.113.51",
        "2002:cb00:7133:{:x}::1",
        "garbage {}",
        "{}",
        '"{}',
        "203.0.113.{}, 198.51.100.7:{}",
    ],
)
def test_two_hundred_wrong_passwords_from_changing_ports_are_rate_limited(
    portal_behind: Callable[[int], Flask], pattern: str
) -> None:
    statuses = guesses(portal_behind(1), *(pattern.format(number + 300, number + 40000) for number in range(200)))

    assert statuses == [422] * 2 + [429] * 198


def test_other_networks_are_not_rate_limited(portal_behind: Callable[[int], Flask]) -> None:
    app = portal_behind(1)
    assert guesses(app, *["203.0.113.51:1"] * 3) == [422, 422, 429]
    assert guesses(app, "203.0.113.52:1", "[2001:db8::1]:1", "[2001:db8:0:1::1]:1", "nonsense") == [422] * 4


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "203.0.113.51", "127.0.0.1"),
        (1, None, "127.0.0.1"),
        (1, "203.0.113.51", "203.0.113.51"),
        (1, "192.0.2.1, 203.0.113.51:40000", "203.0.113.51"),
        (1, "192.0.2.1,", ""),
        (1, "", ""),
        (1, '"192.0.2.1, 203.0.113.51', "203.0.113.51"),
        (2, "203.0.113.51", "127.0.0.1"),
        (2, "203.0.113.51, 198.51.100.7", "203.0.113.51"),
        (2, "192.0.2.1, [2001:db8::1]:443, 198.51.100.7", "2001:db8::1"),
        (2, "192.0.2.1, <script>, 198.51.100.7", ""),
        (9, "a" * 7000, "127.0.0.1"),
    ],
)
def test_the_entry_of_the_outermost_trusted_proxy_is_recorded_or_nothing(
    portal_behind: Callable[[int], Flask], proxies: int, forwarded: str | None, address: str
) -> None:
    app = portal_behind(proxies)
    uma = Builder(app).person("uma@example.com")
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}

    answer = Visitor(app).post("/login", {"email": uma.email, "password": PASSWORD}, headers=headers)

    assert answer.status_code == 303
    with acting(app):
        assert db.session.scalars(select(Session.address)).all() == [address]
        assert db.session.scalars(select(Activity.address).where(Activity.action == "sign_in")).all() == [
            address or None
        ]


def test_several_header_lines_form_one_list(portal_behind: Callable[[int], Flask]) -> None:
    app = portal_behind(2)
    uma = Builder(app).person("uma@example.com")
    lines = {"X-Forwarded-For": ["192.0.2.1", "203.0.113.51:1, 198.51.100.7"]}

    Visitor(app).post("/login", {"email": uma.email, "password": PASSWORD}, headers=lines)

    with acting(app):
        assert db.session.scalars(select(Session.address)).all() == ["203.0.113.51"]


def test_an_invalid_address_from_the_server_causes_no_error(app: Flask, root: Person) -> None:
    for text in NONSENSE:
        visitor = Visitor(app)
        assert visitor.get("/login", environ_base={"REMOTE_ADDR": text}).status_code == 200
