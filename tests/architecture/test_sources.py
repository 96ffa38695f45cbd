"""Rules about the source code: each mechanism is used only in its own place."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from portal.config import ROOT

SOURCES = sorted((ROOT / "portal").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
SUITES = (
    "access",
    "architecture",
    "bench",
    "browser",
    "data_browser",
    "hostile",
    "migrations",
    "pooler",
    "proxy",
    "reliability",
)  # have no folder in portal/
MOST_LINES = 330
CONVENTIONAL = {
    "__init__", "models", "queries", "commands", "forms", "views", "cli", "checks", "words", "permissions", "resource",
    "actions", "bulk", "demo", "filters",
}  # fmt: skip

TOOLS = ("adoption/", "cli/", "demo_data/", "isolation/")  # for operators: no page uses them

# Patterns that are only allowed in these places, and why.
CONFINED = {
    r"__table__": ("core/",),  # scoping applies to entities, not tables
    # Scoping can't read it.
    r"\btext\(": ("core/", "postgres/", *TOOLS, "models.py", "users/indexes.py", "imports/staging.py"),
    r"exec_driver_sql|driver_connection": ("core/", "postgres/", "data_browser/", *TOOLS),
    r"engine\.(connect|begin|raw_connection)": (
        "core/", "postgres/", "data_browser/reading.py", "isolation/rehearsal.py", "health/", "cli/serve.py",
    ),  # without an actor
    r"\bbulk_(save_objects|insert_mappings|update_mappings)\b": (),  # they bypass scoping
    r"\.(commit|begin_nested)\(": (
        "core/db.py", "core/batch.py", "isolation/rehearsal.py", "postgres/roles.py",
    ),  # @command is the only commit
    r"(?<![.\w])(un)?bind\(": ("core/", "web/session.py"),  # everywhere else acting_as
    r"datetime\.(now|utcnow|today)|date\.today|time\.time\b": ("core/clock.py",),
    r"func\.now|current_timestamp": ("models.py",),  # defaults for other programs
    r"time_ns": ("core/keys.py",),
    r"\bos\.(environ|getenv)\b|\bgetenv\b": ("config.py", "postgres/programs.py"),  # passes the environment on
    r"\.deleted_at\.is_\(None\)": (
        "core/", "resources/relation.py", "users/queries.py", "users/tabs.py", "users/membership.py",
        "organizations/sorting.py",
    ),
    r"render_template": ("web/rendering.py",),
    r"request\.(path|full_path|url|base_url)\b": (
        "web/urls.py", "web/problems.py", "web/error_pages.py", "api/repeats.py", "isolation/walk.py",
    ),  # they lack the path of PORTAL_URL, or may name another host; use here() instead
    r"\b(set|delete)_cookie\(": ("web/cookies.py", "isolation/visitor.py"),
    r"request\.cookies\b": ("web/cookies.py", "web/sanity.py", "web/zones.py"),
    r"import requests|urllib\.request|http\.client": (),
    # <wbr> in long words, options that are rendered once, the rows of lists, and the controls of forms
    r"\bMarkup\(|\|safe\b|render_template_string": (
        "web/jinja.py", "web/controls.py", "account/forms.py", "resources/cells.py",
    ),
    r"(?<![.\w])print\(": (),
    r"# type: ignore(?!\[)": (),
}  # fmt: skip

# Exceptions to scoping, by the files that may use them. A new one must be seen in review.
EXCEPTIONS = re.compile(r"with_deleted\b|all_tenants\b|acting_as\(SYSTEM\)")
USES_EXCEPTIONS = {
    "account/views.py", "activity/cli.py", "activity/queries.py", "activity/row_names.py", "activity/seals.py",
    "activity/undoable.py", "activity/views.py", "api/commands.py", "api/repeats.py", "auth/commands.py",
    "auth/redeeming.py", "auth/owners.py", "jobs/running.py", "core/interrupting.py", "imports/people_by_sql.py",
    "cli/commands.py", "cli/doctor.py", "cli/organizations.py", "demo_data/seed.py", "isolation/stage.py", "core/db.py",
    "core/bulk.py", "core/history.py", "core/list_counts.py", "core/records.py", "core/scoping.py", "core/sources.py",
    "mfa/challenges.py",
    "mfa/commands.py", "mail/queue.py", "organizations/bulk.py", "organizations/demo.py", "organizations/queries.py",
    "resources/deciding.py", "resources/resource.py", "resources/blueprint.py", "resources/linking.py",
    "tokens/commands.py", "tokens/personal.py", "tokens/queries.py", "users/email_changes.py",
    "users/behalf.py", "users/schedule.py", "users/bulk.py", "users/bulk_behalf.py", "users/bulk_consequences.py",
    "users/clashes.py", "users/commands.py", "users/consequences.py",
    "users/invitations.py", "users/locks.py", "users/queries.py", "users/tabs.py",
    "users/rules.py", "users/totals.py", "users/views.py", "web/observing.py", "web/session.py", "core/purging.py",
    "cli/removal.py", "resources/purge_page.py", "organizations/commands.py", "users/data.py",
    "organizations/resource.py", "activity/digests.py", "activity/follow_views.py", "activity/follows.py",
    "search/finding.py",
    "auth/viewing.py",
    "resources/arranging.py",
    "users/inactivity.py",
    "core/entities.py",
}  # fmt: skip


def short(path: Path) -> str:
    return str(path.relative_to(ROOT / "portal"))


def code_of(path: Path) -> str:
    """A module without its comments and docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            body[0] = ast.copy_location(ast.Pass(), body[0])
    return ast.unparse(tree)


@pytest.mark.parametrize("pattern", CONFINED)
def test_a_mechanism_is_used_only_in_its_place(pattern: str) -> None:
    places = CONFINED[pattern]
    is_comment = pattern.startswith("#")
    found = [
        short(path)
        for path in SOURCES
        if re.search(pattern, path.read_text(encoding="utf-8") if is_comment else code_of(path))
    ]

    assert [path for path in found if not any(path.startswith(one) or path.endswith(f"/{one}") for one in places)] == []


def test_only_known_modules_use_exceptions_to_scoping() -> None:
    assert {short(path) for path in SOURCES if EXCEPTIONS.search(code_of(path))} <= USES_EXCEPTIONS


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_every_module_has_a_short_docstring(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))

    assert docstring
    assert len(docstring.splitlines()[0]) <= 130


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_no_module_is_too_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_imports_are_absolute_at_the_top_and_avoid_no_cycle(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    everywhere = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    on_top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]

    assert len(everywhere) == len(on_top)
    assert not [node for node in everywhere if isinstance(node, ast.ImportFrom) and node.level]
    assert "TYPE_CHECKING" not in path.read_text(encoding="utf-8")


def test_no_module_or_class_has_a_meaningless_name() -> None:
    empty = {"utils", "helpers", "common", "misc", "manager", "service", "services", "base"}

    assert not [path for path in SOURCES if path.stem in empty]
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                assert not node.name.endswith(("Manager", "Service", "Helper")), (path, node.name)


def test_module_names_are_conventional_or_unique() -> None:
    names = Counter(path.stem for path in SOURCES)
    assert {name for name, many in names.items() if many > 1} <= CONVENTIONAL


def test_every_feature_is_in_the_list_of_features() -> None:
    listed = (ROOT / "portal" / "features.py").read_text(encoding="utf-8")
    for path in (ROOT / "portal").glob("*/views.py"):
        assert f"from portal.{path.parent.name}.views import bp as {path.parent.name}" in listed


def test_extensions_are_only_accessed_through_typed_values() -> None:
    """By portal/web/given.py. An extension's own name is that extension's."""
    for path in SOURCES:
        names = set(re.findall(r"\.extensions(?:\.get\(|\[)([^\]),]+)", path.read_text(encoding="utf-8")))
        assert names <= {'"csrf"', '"migrate"', "self.key"}, path


def of_portal(path: Path) -> Path | None:
    """The source module that a test module covers. None for a suite, and for tests of a whole folder."""
    inside = path.relative_to(ROOT / "tests")
    if inside.parts[0] in SUITES or inside.name == "test_promises.py":
        return None
    source = ROOT / "portal" / inside.with_name(inside.name.removeprefix("test_"))
    has_own_views = source.name != "views.py" or source.is_file()
    return source if has_own_views else source.with_name("resource.py")  # from which the views are made


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT / "tests")))
def test_every_test_module_mirrors_a_source_module(path: Path) -> None:
    source = of_portal(path)

    assert source is None or source.is_file()


def test_test_names_are_sentences_and_no_test_is_skipped() -> None:
    skipped = re.compile(r"pytest\.(mark\.)?(skip|skipif|xfail|importorskip)\b|unittest\.mock|\bMagicMock\b")
    for path in TESTS:
        if path.parts[-2] == "architecture":
            continue
        assert not skipped.search(path.read_text(encoding="utf-8")), path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                assert node.name.count("_") >= 3, f"{path}: {node.name}"


PROMISED: dict[str, Sequence[int]] = {
    "AU": range(1, 14), "SE": range(1, 11), "CS": range(1, 11), "AC": range(1, 18),
    "IN": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16), "LG": range(1, 8), "CO": range(1, 8),
    "RE": (1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), "RT": range(1, 11),
}  # fmt: skip
CODES = [f"{group}{number}" for group, numbers in PROMISED.items() for number in numbers]


@pytest.mark.parametrize("code", CODES)
def test_every_promise_has_a_test_with_its_code(code: str) -> None:
    named = re.compile(rf"def test_(?:\w+_)?{code.lower()}_|\"\"\".*\b{code}\b")

    assert any(named.search(path.read_text(encoding="utf-8")) for path in TESTS)


def test_imports_point_in_one_direction() -> None:
    """The contracts are in pyproject.toml."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)  # noqa: S603

    assert done.returncode == 0, done.stdout
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    assert f"Contracts: {len(contracts)} kept, 0 broken." in done.stdout
