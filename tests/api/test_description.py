"""Does the description stand, say every address, and nothing that is not there?"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from portal.config import ROOT as FOLDER
from tests.api.calling import ROOT, Program, described


def test_the_description_is_openapi_3_1(app: Flask) -> None:
    told = Program(app).get(f"{ROOT}/openapi.json").json

    assert told == described()
    validate(described(), cls=OpenAPIV31SpecValidator)


def test_every_address_of_the_interface_stands_in_the_description_and_no_other(app: Flask) -> None:
    routes = {
        (rule.rule.removeprefix(ROOT), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api")
        for method in (rule.methods or set()) - {"HEAD"}
    }

    assert routes == {(path, method) for path, methods in described()["paths"].items() for method in methods}


def test_what_takes_a_body_tells_its_refusals_and_what_takes_a_token_says_so() -> None:
    for path, methods in described()["paths"].items():
        for method, operation in methods.items():
            codes = set(operation["responses"])
            assert {"400", "429", "500", "503"} <= codes, path
            assert ({"409", "413", "415", "422"} <= codes) is ("requestBody" in operation) is (method == "post")
            assert ("security" in operation) is (path == "/auth/me")


def codes_said() -> Iterator[str]:
    """Every text that stands as the `code` of a problem in the portal's sources."""
    for path in (FOLDER / "portal").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "problem":
                for said in (one.value for one in node.keywords if one.arg == "code"):
                    yield from (part.value for part in ast.walk(said) if isinstance(part, ast.Constant))  # type: ignore[misc]


def test_every_code_of_a_problem_stands_in_the_description_and_no_other() -> None:
    told = described()["components"]["schemas"]["Problem"]["properties"]["code"]

    assert set(told["enum"]) == set(codes_said())
    assert all(f"`{code}`" in told["description"] for code in told["enum"])


def test_only_what_takes_a_refresh_token_speaks_of_one() -> None:
    for path, methods in described()["paths"].items():
        for operation in methods.values():
            said = operation["responses"]["400"]["description"]
            assert ("refresh token" in said) is (path == "/auth/refresh"), path
