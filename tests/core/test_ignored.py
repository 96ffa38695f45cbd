"""Arguments of a list that have no effect are named on the page."""

from __future__ import annotations

import pytest
from flask import Flask
from markupsafe import escape

from tests.access.visitor import Visitor
from tests.cast import Person

NO_EFFECT = {
    "roel=ADMIN": "This list has no filter “roel”, so it has no effect. Did you mean “role”?",
    "x=1": "This list has no filter “x”, so it has no effect.",
    "role=ADMON": "“role” has no such option, so it has no effect.",
    "status=gone": "“status” has no such option, so it has no effect.",
    "sort=age": "“sort” has no such option, so it has no effect.",
    "per_page=7": "“per_page” has no such option, so it has no effect.",
    "%3Cb%3E=1": "This list has no filter “<b>”, so it has no effect.",
}


@pytest.mark.parametrize("query", NO_EFFECT)
def test_an_argument_without_effect_is_named(app: Flask, ada: Person, query: str) -> None:
    answer = Visitor(app, ada).get(f"/users/?{query}")

    assert answer.status_code == 200
    assert str(escape(NO_EFFECT[query])) in answer.text
    assert answer.text.count("has no effect") == 1
    assert ada.email.partition("@")[0] in answer.text


def test_a_list_names_few_of_many_unknown_arguments(app: Flask, ada: Person) -> None:
    many = "&".join(f"n{number}{'x' * 500}=1" for number in range(50))

    assert Visitor(app, ada).get(f"/users/?{many}").text.count("has no effect") == 5


@pytest.mark.parametrize("query", ["", "q=ada&role=ADMIN&sort=-name&per_page=50&page=last", "status=&role=&sort=&q="])
def test_other_lists_have_no_such_sentence(app: Flask, ada: Person, query: str) -> None:
    assert "has no effect" not in Visitor(app, ada).get(f"/users/?{query}").text
