"""The OpenAPI description is valid, and complete and correct for every route."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator

import pytest
from flask import Flask
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from portal.api.limits import MOST_BYTES
from portal.config import ROOT as FOLDER
from tests.api.calling import ROOT, Program, description


def test_the_description_is_openapi_3_1(app: Flask) -> None:
    document = Program(app).get(f"{ROOT}/openapi.json").json

    assert document == description()
    validate(description(), cls=OpenAPIV31SpecValidator)


def test_every_route_of_the_api_is_described_and_no_other(app: Flask) -> None:
    routes = {
        (rule.rule.removeprefix(ROOT), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api")
        for method in (rule.methods or set()) - {"HEAD"}
    }

    assert routes == {(path, method) for path, methods in description()["paths"].items() for method in methods}


def test_operations_document_their_errors_and_security() -> None:
    for path, methods in description()["paths"].items():
        for method, operation in methods.items():
            codes = set(operation["responses"])
            assert {"400", "429", "500", "503"} <= codes, path
            assert ({"409", "413", "415", "422"} <= codes) is ("requestBody" in operation) is (method == "post")
            assert ("security" in operation) is (path == "/auth/me")


def codes_in_sources() -> Iterator[str]:
    """Every `code` of a problem in the portal's sources."""
    for path in (FOLDER / "portal").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "problem":
                for value in (one.value for one in node.keywords if one.arg == "code"):
                    yield from (part.value for part in ast.walk(value) if isinstance(part, ast.Constant))  # type: ignore[misc]


def test_every_problem_code_is_described_and_no_other() -> None:
    documented = description()["components"]["schemas"]["Problem"]["properties"]["code"]

    assert set(documented["enum"]) == set(codes_in_sources())
    assert all(f"`{code}`" in documented["description"] for code in documented["enum"])


def test_only_the_refresh_operation_mentions_refresh_tokens() -> None:
    for path, methods in description()["paths"].items():
        for operation in methods.values():
            text = operation["responses"]["400"]["description"]
            assert ("refresh token" in text) is (path == "/auth/refresh"), path


BODIES = {
    path: methods["post"]["requestBody"]["content"]["application/json"]["schema"]
    for path, methods in description()["paths"].items()
    if "post" in methods
}
MEMBERS = [(path, name) for path, schema in BODIES.items() for name in schema["properties"]]


def example_body(path: str) -> dict[str, str]:
    return {name: "x" for name in BODIES[path]["properties"]}


def fits(path: str, body: dict[str, str]) -> bool:
    return not list(Draft202012Validator(BODIES[path]).iter_errors(body))


@pytest.mark.parametrize(("path", "name"), MEMBERS)
def test_length_limits_of_members_are_enforced_as_described(app: Flask, path: str, name: str) -> None:
    program, member = Program(app), BODIES[path]["properties"][name]
    longest, shortest = member["maxLength"], member["minLength"]
    sent = {
        "shortest": "x" * shortest,
        "longest": "x" * longest,
        "longest, of astral characters": "\U0001f600" * longest,
        "shorter": "x" * (shortest - 1),
        "longer": "x" * (longest + 1),
        "much longer": "x" * (longest * 2),
        "NUL": "a\x00b",
        "half a pair": "\ud800",
    }

    for kind, value in sent.items():
        body = {**example_body(path), name: value}
        answer = program.client.post(ROOT + path, data=json.dumps(body), content_type="application/json")
        if answer.status_code == 413:
            assert len(json.dumps(body)) > MOST_BYTES
        else:
            assert (answer.status_code != 422) is fits(path, body), kind


@pytest.mark.parametrize(("path", "name"), MEMBERS)
def test_members_are_required_as_described(app: Flask, path: str, name: str) -> None:
    body = {key: value for key, value in example_body(path).items() if key != name}

    assert (Program(app).post(ROOT + path, body).status_code != 422) is (name not in BODIES[path]["required"])
    assert Program(app).post(ROOT + path, {**example_body(path), "more": "x"}).status_code == 422
    assert BODIES[path]["additionalProperties"] is False


@pytest.mark.parametrize("path", BODIES)
def test_the_size_limit_of_bodies_is_enforced_as_described(app: Flask, path: str) -> None:
    operation, program = description()["paths"][path]["post"], Program(app)
    whole = json.dumps(example_body(path)).encode()

    for size, status in ((MOST_BYTES, (204, 400, 401)), (MOST_BYTES + 1, (413,))):
        answer = program.post(ROOT + path, data=whole.ljust(size), content_type="application/json")
        assert answer.status_code in status
    for text in (operation["requestBody"]["description"], operation["responses"]["413"]["description"]):
        assert f"{MOST_BYTES:,} bytes" in text


@pytest.mark.parametrize(
    "key",
    ["k", "k" * 255, "k" * 256, "a b", "é", "!~", "k\t"],
    ids=["one", "most", "more", "space", "é", "ends", "tab"],
)
def test_the_idempotency_key_is_limited_as_described(app: Flask, key: str) -> None:
    for path in BODIES:
        (parameter,) = description()["paths"][path]["post"]["parameters"]
        answer = Program(app).post(ROOT + path, example_body(path), headers={"Idempotency-Key": key})
        is_refused = "Idempotency-Key" in answer.text
        assert is_refused is bool(list(Draft202012Validator(parameter["schema"]).iter_errors(key)))
