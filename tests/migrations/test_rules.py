"""Rules that keep migrations applicable years later, and while people keep working."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import flask_migrate
import pytest
from flask import Flask
from procrastinate.schema import SchemaManager

from portal.config import ROOT
from portal.core.db import db
from tests.database import Server, app_for, disconnect
from tests.upgrading import INITIAL, SAMPLES, VERSIONS, revisions, upgraded_with_samples
from tests.upgrading import samples as samples

HELPERS = sorted((ROOT / "migrations" / "helpers").glob("*.py"))
MIGRATIONS = sorted(path for path in (*VERSIONS.iterdir(), *SAMPLES.iterdir()) if path.suffix in (".py", ".sql"))
LIBRARIES = {"alembic", "sqlalchemy", "migrations"}

LARGE = r"(ONLY )?\b(users|organizations|activity|activity_leaves|sessions|refresh_tokens)\b"
ALTERED = rf"(?is)\bALTER TABLE (IF EXISTS )?{LARGE}[^;]*"

# Patterns that no migration may contain, and why.
COMPLETE_TEXT = "a migration doesn't patch a text, it has the whole new one"
NEVER = {r"\bpg_get_(functiondef|triggerdef|expr)\b|\bprosrc\b": COMPLETE_TEXT}
NEVER_IN_PYTHON = {
    r"\.replace\(|\bre\.sub\(|\.translate\(": COMPLETE_TEXT,
    r"portal/|[\"']portal[\"']": "files of the application change later",
}
# Patterns that later migrations may not contain, because people work with the large tables meanwhile.
NEVER_LATER = {
    rf"(?is)\bCREATE (UNIQUE )?INDEX\b(?! CONCURRENTLY)[^;]*? ON {LARGE}": "make_index() makes it concurrently",
    rf"\bop\.create_index\([^)]*?\"{LARGE}\"": "make_index() makes it concurrently",
    r"\b(lock|statement)_timeout\b": "migrations/env.py and the helpers set timeouts",
    rf"{ALTERED}\bALTER (COLUMN )?\w+ (SET DATA )?TYPE\b": "it rewrites the table: fill a new column in batches",
    rf"{ALTERED}\bGENERATED ALWAYS AS\b": "it rewrites the table: fill a column in batches, and by a trigger",
    rf"{ALTERED}\bADD (COLUMN )?[^;,]*\bDEFAULT \w+\(": "it may rewrite the table: set the default afterwards",
    rf"{ALTERED}\bSET NOT NULL\b": "it reads the table: add a CHECK constraint NOT VALID, then validate it",
    rf"{ALTERED}\bADD (CONSTRAINT|CHECK|FOREIGN|UNIQUE|PRIMARY)\b(?![^;]*\bNOT VALID\b)": "it reads, unless NOT VALID",
    r"\bop\.(add_column|alter_column|create_\w+_(key|constraint))\(": "SQL shows what it locks and reads",
}  # fmt: skip

LANGUAGES = """
SELECT p.oid::regprocedure::text, lanname FROM pg_proc p JOIN pg_language l ON l.oid = prolang
WHERE pronamespace = 'public'::regnamespace
"""

WRONG = {
    "DO $$ BEGIN EXECUTE replace(pg_get_functiondef('portal_watch'::regproc), 'a', 'b'); END $$": "whole new one",
    'run(definition.replace("old", "new"))': "whole new one",
    'run((ROOT / "portal" / "sql" / "portal_plain.sql").read_text())': "files of the application",
    "CREATE INDEX users_locale_idx ON users (locale)": "make_index",
    "CREATE UNIQUE INDEX users_locale_idx\n    ON ONLY users (locale)": "make_index",
    'op.create_index("users_locale_idx", "users", ["locale"])': "make_index",
    "SET LOCAL lock_timeout = 0": "timeouts",
    "ALTER TABLE users ALTER COLUMN role TYPE text": "rewrites the table",
    "ALTER TABLE users ADD COLUMN initials text GENERATED ALWAYS AS (left(email, 1)) STORED": "rewrites the table",
    "ALTER TABLE users ADD COLUMN seed uuid DEFAULT gen_random_uuid()": "rewrite the table",
    "ALTER TABLE activity\n    ALTER COLUMN changes SET NOT NULL": "reads the table",
    "ALTER TABLE users ADD CONSTRAINT users_check CHECK (email <> '')": "unless NOT VALID",
    'op.add_column("users", sa.Column("locale", sa.Text))': "what it locks",
}
RIGHT = (
    "CREATE INDEX CONCURRENTLY users_locale_idx ON users (locale)",
    "CREATE INDEX teams_name_idx ON teams (name)",
    "ALTER TABLE users ADD COLUMN IF NOT EXISTS locale text",
    "ALTER TABLE users ADD COLUMN is_guest boolean NOT NULL DEFAULT false",
    "ALTER TABLE users ADD CONSTRAINT users_check CHECK (email <> '') NOT VALID",
    "CREATE OR REPLACE FUNCTION f(value text) RETURNS text LANGUAGE sql RETURN replace(value, 'a', 'b')",
    'op.create_index("teams_name_idx", "teams", ["name"])',
)


def violations(text: str, *, is_python: bool, is_later: bool) -> list[str]:
    rules = NEVER | (NEVER_IN_PYTHON if is_python else {}) | (NEVER_LATER if is_later else {})
    return [f"{found.group()}: {reason}" for rule, reason in rules.items() for found in re.finditer(rule, text)]


def code_of(path: Path) -> str:
    return re.sub(r"--.*|#.*" if path.suffix == ".sql" else r"#.*", "", path.read_text(encoding="utf-8"))


def imports_of(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."
        elif isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            if name in ("__import__", "import_module"):
                yield name


def forbidden_imports(text: str) -> set[str]:
    return {name for name in imports_of(text) if name.split(".")[0] not in LIBRARIES | sys.stdlib_module_names} | (
        set(imports_of(text)) & {"__import__", "import_module", "importlib"}
    )


@pytest.mark.parametrize(
    "path",
    [path for path in (*HELPERS, *MIGRATIONS) if path.suffix == ".py"],
    ids=lambda path: str(path.name),
)
def test_migrations_and_their_helpers_import_nothing_of_the_application(path: Path) -> None:
    assert forbidden_imports(path.read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize("text", ["import portal", "from portal.core import db", "import importlib", "from . import x"])
def test_a_forbidden_import_is_found(text: str) -> None:
    assert forbidden_imports(text)


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: str(path.name))
def test_a_migration_patches_no_text_and_does_not_lock_large_tables(path: Path) -> None:
    assert violations(code_of(path), is_python=path.suffix == ".py", is_later=path.stem > INITIAL) == []


@pytest.mark.parametrize("text", WRONG)
def test_a_violation_in_a_later_migration_is_found(text: str) -> None:
    assert any(WRONG[text] in one for one in violations(text, is_python=True, is_later=True))


@pytest.mark.parametrize("text", RIGHT)
def test_allowed_statements_are_not_reported(text: str) -> None:
    assert violations(text, is_python=False, is_later=True) == []


def test_migrations_are_named_like_their_files_in_order() -> None:
    names = revisions()

    assert names == [path.stem for path in sorted(VERSIONS.glob("*.py"))]
    assert [name[:5] for name in names] == [f"{number:04}_" for number in range(1, len(names) + 1)]
    assert all(len(name) <= 32 for name in names)  # more doesn't fit into alembic_version
    assert {path.stem.removesuffix("_schema").removesuffix("_former") for path in VERSIONS.glob("*.sql")} <= set(names)


def test_the_frozen_schema_of_the_email_queue_is_that_of_the_installed_library() -> None:
    """If a later release changes it, a migration needs the library's own steps."""
    frozen = (VERSIONS / "0006_email_queue_schema.sql").read_text(encoding="utf-8")

    assert frozen.split("\n", 1)[1] == SchemaManager.get_schema()


@pytest.fixture
def empty_app(database_server: Server, samples: None) -> Iterator[Flask]:
    app = upgraded_with_samples(app_for(database_server.create("stepped")))
    yield app
    disconnect(app)
    database_server.drop("stepped")


def test_no_function_ever_changes_its_language(empty_app: Flask) -> None:
    """A session that calls a function while its language changes would read the new text in the old language."""
    languages: set[tuple[str, str]] = set()
    with empty_app.app_context():
        for revision in revisions():
            flask_migrate.upgrade(revision=revision)
            with db.engine.connect() as connection:
                languages |= {(name, language) for name, language in connection.exec_driver_sql(LANGUAGES)}

    names = [name for name, _ in languages]
    assert sorted(names) == sorted(set(names))
    assert "portal_stamp()" in names


def test_the_samples_can_be_downgraded_and_applied_again(empty_app: Flask) -> None:
    with empty_app.app_context():
        flask_migrate.upgrade()
        flask_migrate.downgrade(revision=revisions()[-3])
        flask_migrate.upgrade()
        with db.engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one() == revisions()[-1]
