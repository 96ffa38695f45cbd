"""Request bodies that no form would send cause no errors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask

from tests.access.visitor import Visitor
from tests.cast import Person
from tests.hostile.prober import FORM, Prober

DEEP = "[" * 50_000 + "]" * 50_000
MULTIPART = "multipart/form-data; boundary=x"
BODIES: dict[str, tuple[Any, str]] = {
    "three megabytes": (b"first_name=" + b"x" * 3_000_000, FORM),
    "one field of 300 kB": (b"first_name=" + b"x" * 300_000, FORM),
    "5,000 fields": ("&".join(f"f{n}=1" for n in range(5000)).encode(), FORM),
    "one field 5,000 times": (b"&".join([b"email=a%40example.com"] * 5000), FORM),
    "deep JSON": (DEEP.encode(), "application/json"),
    "JSON": (json.dumps({"email": "a@example.com", "role": {"$ne": 1}}).encode(), "application/json"),
    "broken JSON": (b'{"a":', "application/json"),
    "XML": (b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>", "text/xml"),
    "broken UTF-8": (b"first_name=%ff%fe%c0%af", FORM),
    "raw broken UTF-8": (b"first_name=\xff\xfe\xc0\xaf", FORM),
    "overlong UTF-8": (b"first_name=%c0%80%e0%80%80", FORM),
    "UTF-7": (b"first_name=+ADw-script+AD4-", FORM + "; charset=utf-7"),
    "an unknown charset": (b"first_name=x", FORM + "; charset=nonsense"),
    "NUL": (b"first_name=%00", FORM),
    "a NUL in a name": (b"first%00name=x", FORM),
    "arrays": (b"email[]=a&email[0]=b&role[$ne]=USER&first_name=a&first_name=b&role=USER&role=SUPER_ADMIN", FORM),
    "nothing": (b"", FORM),
    "random bytes": (bytes(range(256)) * 40, FORM),
    "random bytes as parts": (bytes(range(256)) * 40, MULTIPART),
    "no boundary": (b"--x\r\n\r\n", "multipart/form-data"),
    "a truncated part": (b'--x\r\nContent-Disposition: form-data; name="email"\r\n\r\na', MULTIPART),
    "no name": (b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--", MULTIPART),
    "a file for a field": (
        b'--x\r\nContent-Disposition: form-data; name="email"; filename="../../a\x00.txt"\r\n\r\na\r\n--x--', MULTIPART,
    ),
    "5,000 parts": (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 5000 + b"--x--", MULTIPART),
    "an invalid type": (b"a", "\x7f/;;;=,"),
}  # fmt: skip
BODIES["files for every field"] = (
    "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="a.txt"\r\n\r\na\r\n'
        for name in ("email", "password", "name", "slug", "first_name", "organization", "role", "version", "theme")
    ).encode() + b"--x--", MULTIPART,
)  # fmt: skip
NOBODY = "00000000-0000-0000-0000-000000000000"
UNDO = (f"/activity/people/{NOBODY}/undo", f"/activity/organizations/{NOBODY}/undo")
TARGETS = (
    "/login",
    "/users/new",
    "/organizations/new",
    "/teams/new",
    "/account/",
    "/theme",
    "/logout",
)  # the last one ends the session


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("with_token", [True, False], ids=["token", "no token"])
def test_in7_in13_malformed_bodies_cause_no_server_error(
    app: Flask, root: Person, kind: str, *, with_token: bool
) -> None:
    prober = Prober(app, root)
    body, mimetype = BODIES[kind]

    for target in UNDO:
        headers = {"X-CSRFToken": prober.visitor.token} if with_token else {}
        answer = prober.send("POST", target, [], data=body, content_type=mimetype, headers=headers)
        assert answer.status_code in (400, 404, 413), target
    for target in TARGETS:
        headers = {"X-CSRFToken": prober.visitor.token} if with_token else {}
        answer = prober.send("POST", target, [], data=body, content_type=mimetype, headers=headers)
        assert answer.status_code in (201, 303, 400, 413, 422), target
        assert with_token or answer.status_code in (400, 413), target


def test_in7_bodies_that_are_too_large_get_413(app: Flask, root: Person) -> None:
    visitor = Visitor(app, root)

    for kind in ("three megabytes", "one field of 300 kB", "5,000 fields", "one field 5,000 times", "5,000 parts"):
        body, mimetype = BODIES[kind]
        headers = {"X-CSRFToken": visitor.token}
        answer = visitor.client.post("/users/new", data=body, content_type=mimetype, headers=headers)
        assert answer.status_code == 413, kind


@pytest.mark.parametrize("value", [5, None, ["a"], {"a": "b"}, True, "\x00", "\ud800", 1e308])
def test_in7_in13_json_is_not_read_as_a_form(app: Flask, root: Person, value: Any) -> None:
    prober = Prober(app, root)
    sent = json.dumps(dict.fromkeys(("first_name", "email", "role", "name", "slug", "row", "theme", "next"), value))

    for target in TARGETS:
        headers = {"X-CSRFToken": prober.visitor.token}
        prober.send("POST", target, [], data=sent, content_type="application/json", headers=headers)


@pytest.mark.parametrize("length", ["-1", "99999999999999999999", "x", "1e3", ""])
def test_in7_a_wrong_content_length_causes_no_error(app: Flask, root: Person, length: str) -> None:
    prober = Prober(app, root)

    prober.send("POST", "/users/new", [], data=b"a=b", content_type=FORM, environ_overrides={"CONTENT_LENGTH": length})


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "GET\x00", "\u00e9"])
def test_ac16_unknown_methods_are_refused(app: Flask, root: Person, method: str) -> None:
    prober = Prober(app, root)

    for path in ("/users/", "/users/new", "/login", "/nowhere"):
        answer = prober.send("GET", path, [], environ_overrides={"REQUEST_METHOD": method})
        assert answer.status_code in (400, 404, 405), (path, method)
