"""Every action that the portal records is declared by exactly one feature."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from string import Formatter

import pytest

from portal.config import ROOT
from portal.core.actions import Action
from portal.features import ACTIONS, FEATURES, RELATIONS, RESOURCES

DECLARED = [one for feature in FEATURES for one in feature.actions]
WRITTEN = re.compile(r"INSERT INTO activity(?: AS \w+)? \(([^)]*)\)\s*(?:VALUES \(|SELECT )", re.I)
WORD = re.compile(r"'(\w+)'")


def split(text: str) -> list[str]:
    """The expressions of a list, up to the end of the list."""
    parts, depth = [""], 0
    for sign in text:
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if depth < 0 or (sign == ";" and depth == 0):
            break
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def written_in(sql: str) -> set[str]:
    """The actions that a file inserts into the history, as literals or through a column `AS action`."""
    names: set[str] = set()
    for found in WRITTEN.finditer(sql):
        columns = [column.strip() for column in found[1].split(",")]
        value = re.split(r"\bFROM\b", split(sql[found.end() :])[columns.index("action")])[0].strip()
        if value == "action":
            cases = re.findall(r"\bCASE\b((?:(?!\bCASE\b).)*?)\bEND AS action", sql, re.S)
            value = " ".join(re.findall(r"(?:THEN|ELSE) '\w+'", " ".join(cases)))
        names |= set(WORD.findall(value))
    linked = {
        f"{noun}_{what}" for noun in re.findall(r"portal_record_links\('(\w+)'", sql) for what in ("added", "removed")
    }
    return names | linked | set(re.findall(r"portal_record\('(\w+)'", sql))


def test_all_actions_that_sql_writes_are_declared() -> None:
    files = [*(ROOT / "portal" / "sql").rglob("*.sql"), *(ROOT / "portal").rglob("*.py")]
    written = {name for path in files for name in written_in(path.read_text(encoding="utf-8"))}

    assert written >= {"create", "update", "delete", "restore", "remove", "erase", "prune"}
    assert written <= ACTIONS.keys()


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("INSERT INTO activity (action, row_id) VALUES ('moved', f('x', y));", {"moved"}),
        ("INSERT INTO activity (at, action) SELECT f('x', 1), 'added' FROM rows WHERE a = 'b'", {"added"}),
        (
            "INSERT INTO activity (action) SELECT action FROM (SELECT CASE WHEN x THEN 'b' ELSE 'c' END AS action",
            {"b", "c"},
        ),
        ("SELECT portal_record('asked', NULL)", {"asked"}),
        ("EXECUTE FUNCTION portal_record_links('pet', 'owners'", {"pet_added", "pet_removed"}),
    ],
)  # fmt: skip
def test_actions_are_found_in_sql(sql: str, names: set[str]) -> None:
    assert written_in(sql) == names


def test_all_actions_of_the_code_are_declared_by_a_feature() -> None:
    """record() only accepts an Action, as mypy checks."""
    known = {
        id(value): value
        for name, module in list(sys.modules.items())
        if name.startswith("portal.")
        for value in vars(module).values()
        if isinstance(value, Action)
    }

    of_links = {action.name for relation in RELATIONS for action in relation.actions}
    assert {one.name for one in known.values()} == ACTIONS.keys() - of_links
    assert len(known) == len(ACTIONS) - len(of_links)


def test_actions_are_only_created_in_declarations() -> None:
    inside = []
    for path in (ROOT / "portal").rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
                inside += [path.name for call in calls if isinstance(call, ast.Name) and call.id == "Action"]

    # For actions in the history that no feature declares anymore, and for those of links.
    assert sorted(inside) == ["relation.py", "relation.py", "wording.py"]


def test_no_two_actions_share_a_name_or_a_label() -> None:
    names, labels = Counter(one.name for one in DECLARED), Counter(one.label for one in DECLARED)

    assert {one for one, many in (names + labels).items() if many > 1} == set()


def test_every_action_has_a_verb_a_label_and_a_mark_in_the_style_sheet() -> None:
    style = (ROOT / "static" / "css" / "components.css").read_text(encoding="utf-8")
    marks = {one.icon for one in DECLARED} | {icon for one in RESOURCES.values() for icon in one.icons.values()}

    assert all(one.verb and one.label[0].isupper() for one in DECLARED)
    assert {mark for mark in marks - {"edit"} if f".is-{mark}" not in style} == set()


def test_the_activity_mentions_no_action_of_other_features() -> None:
    own = {
        one.name
        for feature in FEATURES
        for one in feature.actions
        if any(page.name == "activity" for page in feature.pages)
    }
    others = {one for one in ACTIONS.keys() - own if "_" in one}
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "portal" / "activity").glob("*.py"))

    assert {one for one in others if re.search(rf"\b{one}\b", text, re.I)} == set()


def test_placeholders_of_verbs_are_rows_or_details() -> None:
    for one in DECLARED:
        places = {place for _, place, _, _ in Formatter().parse(one.verb) if place}
        assert places <= RESOURCES.keys(), one.name
