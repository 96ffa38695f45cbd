"""Passkeys are accepted for the current challenge, from this site, with the right key, and once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from portal.mfa import commands as mfa
from tests.access.visitor import CHALLENGE, Visitor, token_in
from tests.acting import acting
from tests.cast import PASSWORD, Person
from tests.mfa.device import Device
from tests.mfa.test_views import after_password

URL = "/account/second-factor"


def challenge_at(browser: Visitor, path: str) -> str:
    found = CHALLENGE.search(browser.get(path).text)
    assert found
    return found.group(1)


def add(browser: Visitor, device: Device) -> int:
    sent = {"name": "Key", "credential": device.make(challenge_at(browser, URL))}
    return browser.post(f"{URL}/passkeys", sent).status_code


def send_credential(browser: Visitor, credential: str) -> int:
    return browser.post("/login/second", {"credential": credential}).status_code


@pytest.fixture
def device(app: Flask, uma: Person) -> Device:
    device = Device(counts=1)
    assert add(Visitor(app, uma), device) == 200
    return device


def test_the_page_explains_that_passkeys_need_javascript(app: Flask, uma: Person, device: Device) -> None:
    page = after_password(app, uma).get("/login/second").text

    hint = re.search(r"<noscript>.*</noscript>", page)
    assert hint
    assert "Passkeys need JavaScript." in hint[0]
    assert "enter a code below" in hint[0]


def test_a_passkey_is_accepted_after_the_password_and_the_first_one_comes_with_recovery_codes(
    app: Flask, uma: Person
) -> None:
    browser, device = Visitor(app, uma), Device()
    answer = browser.post(f"{URL}/passkeys", {"credential": device.make(challenge_at(browser, URL))})
    assert len(re.findall(r"<li>[a-z2-9-]{19}</li>", answer.text)) == 10

    door = after_password(app, uma)

    assert send_credential(door, device.answer(challenge_at(door, "/login/second"))) == 303
    assert door.get("/account/").status_code == 200


@pytest.mark.parametrize("other", [{"origin": "http://evil.example"}, {"site": "evil.example"}])
def test_a_passkey_of_another_origin_can_neither_be_added_nor_used(
    app: Flask, uma: Person, ada: Person, device: Device, other: dict[str, str]
) -> None:
    strange = Device()
    for one in (strange, device):
        vars(one).update(other)

    assert add(Visitor(app, ada), strange) == 422
    door = after_password(app, uma)
    assert send_credential(door, device.answer(challenge_at(door, "/login/second"))) == 422


def test_a_replayed_response_is_refused_even_with_the_former_cookie(app: Flask, uma: Person) -> None:
    device = Device()
    assert add(Visitor(app, uma), device) == 200
    door = after_password(app, uma)
    answer = device.answer(challenge_at(door, "/login/second"))
    cookie = door.client.get_cookie("portal")
    assert cookie
    assert send_credential(door, answer) == 303

    thief = Visitor(app)
    thief.client.set_cookie("portal", cookie.value)
    thief.token = token_in(thief.get("/login/second").text)
    thief.client.set_cookie("portal", cookie.value)

    assert send_credential(thief, answer) == 422


def test_a_copied_passkey_whose_counter_does_not_move_is_refused(app: Flask, uma: Person, device: Device) -> None:
    door = after_password(app, uma)
    device.counts = 0
    assert send_credential(door, device.answer(challenge_at(door, "/login/second"))) == 422

    device.counts = 5
    assert send_credential(door, device.answer(challenge_at(door, "/login/second"))) == 303


def test_another_persons_passkey_is_refused(app: Flask, uma: Person, ada: Person, device: Device) -> None:
    own = Device()
    assert add(Visitor(app, ada), own) == 200
    door = after_password(app, ada)

    assert send_credential(door, device.answer(challenge_at(door, "/login/second"))) == 422


def test_a_passkey_cannot_be_added_twice(app: Flask, uma: Person, ada: Person, device: Device) -> None:
    assert add(Visitor(app, ada), device) == 422


def _without(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda answer: {key: value for key, value in answer.items() if key != name}


@pytest.mark.parametrize(
    "corrupt",
    [
        *map(_without, ("id", "rawId", "type", "response")),
        lambda answer: {**answer, "response": {**answer["response"], "signature": "AAAA"}},
        lambda answer: {**answer, "response": {**answer["response"], "authenticatorData": "!"}},
        lambda answer: {**answer, "response": {**answer["response"], "clientDataJSON": "e30"}},
        lambda answer: {**answer, "id": "é"},
        lambda answer: {**answer, "id": 7},
        lambda answer: [answer],
        lambda _: None,
        lambda _: "x" * 10_000,
    ],
)
def test_hostile_credentials_are_refused_without_an_error(
    app: Flask, uma: Person, device: Device, corrupt: Callable[[Any], Any]
) -> None:
    door = after_password(app, uma)
    answer = json.loads(device.answer(challenge_at(door, "/login/second")))

    assert send_credential(door, json.dumps(corrupt(answer))) == 422


def test_a_passkey_alone_signs_in_if_the_device_verified_its_user(app: Flask, uma: Person, device: Device) -> None:
    door = Visitor(app)
    unverified = device.answer(challenge_at(door, "/login"), is_verified=False)
    assert door.post("/login/passkey", {"credential": unverified}).status_code == 422

    answer = door.post("/login/passkey", {"credential": device.answer(challenge_at(door, "/login"))})

    assert answer.headers["Location"] == "/account/"
    assert "Uma" in door.get("/account/").text


def test_a_deactivated_persons_passkey_is_refused(app: Flask, uma: Person, ada: Person, device: Device) -> None:
    Visitor(app, ada).post(f"/users/{uma.id}/deactivation", {"is_active": ""})
    door = Visitor(app)

    answer = door.post("/login/passkey", {"credential": device.answer(challenge_at(door, "/login"))})

    assert answer.status_code == 422


def test_passkeys_are_not_offered_at_an_ip_address(app: Flask) -> None:
    browser = Visitor(app)

    assert CHALLENGE.search(browser.get("/login", base_url="http://localhost:8000").text)
    assert not CHALLENGE.search(browser.get("/login", base_url="http://127.0.0.1:8000").text)


def test_a_removed_passkey_is_refused(app: Flask, uma: Person, device: Device) -> None:
    with acting(app):
        key = mfa.methods_of(uma.id).passkeys[0].id
    browser = after_password(app, uma)
    assert send_credential(browser, device.answer(challenge_at(browser, "/login/second"))) == 303
    browser.token = token_in(browser.get(URL).text)
    assert browser.post(f"{URL}/remove", {"passkey": str(key), "password": PASSWORD}).status_code == 303

    door = Visitor(app)
    answer = door.post("/login/passkey", {"credential": device.answer(challenge_at(door, "/login"))})

    assert answer.status_code == 422
