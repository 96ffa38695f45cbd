"""Secrets stay where they belong, and can be changed while people work."""

from __future__ import annotations

import io
import logging
import re
import subprocess
import tarfile
from pathlib import Path

import psutil
import pytest

from portal.config import ROOT
from portal.core.actor import Role
from portal.web.given import current_settings
from tests.acting import portal_on
from tests.cast import Builder, page_client
from tests.database import SECRET_KEY
from tests.reliability.serving import serving

NEW_KEY = "the-key-after-it-9876543210-zyxwvutsrqpon"
SECRETS = {
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY",
    "a password hash": rb"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}",
    "a token of a service": rb"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|glpat-[\w-]{20}|xox[bpars]-[\w-]{10,})",
    "an address with a password": rb"postgres(?:ql)?://(?!user:password@|portal:(?:secret|hunter2hunter2)@)[\w.]+:(?!\.\.\.@)[^@\s{}\"'<]+@",
}  # fmt: skip
UNWANTED = re.compile(
    r"(^|/)(\.git|instance|\.venv|__pycache__|\.env[^/]*|secret_key|id_rsa|node_modules)(/|$)|\.(pem|key|p12|sqlite3?|db|dump|pyc)$"
)


def test_re13_people_stay_signed_in_while_the_secret_key_is_rotated(fresh_database: str) -> None:
    with portal_on(fresh_database) as app:
        person = Builder(app).person("root@example.com", role=Role.SUPER_ADMIN)
        client = page_client(app, person)
        former = client.get_cookie("portal")
        assert former

    def seen_with(cookie: str, key: str, *fallbacks: str) -> tuple[int, str]:
        with portal_on(fresh_database, secret_key=key, secret_key_fallbacks=fallbacks) as app:
            browser = app.test_client()
            browser.set_cookie("portal", cookie)
            answer = browser.get("/users/")
            kept = browser.get_cookie("portal")
            return answer.status_code, kept.value if kept else ""

    during, _ = seen_with(former.value, NEW_KEY, SECRET_KEY)
    after, _ = seen_with(former.value, NEW_KEY)

    assert during == 200
    assert after in (302, 303)


def test_re13_no_secret_is_in_the_process_list(fresh_database: str, tmp_path: Path) -> None:
    with serving(fresh_database, tmp_path) as run:
        server = psutil.Process(run.process_id)
        lines = [" ".join(process.cmdline()) for process in (server, *server.children(recursive=True))]
        printed = run.printed

    assert lines
    assert not [line for line in (*lines, printed) if SECRET_KEY in line]


def test_re13_no_secret_is_in_an_error_page_or_its_log(fresh_database: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with portal_on("postgresql+psycopg://portal:hunter2hunter2@127.0.0.1:1/none") as app:
        client = page_client(app)
        fields = client.form("/login")
        texts = [
            client.post("/login", data={**fields, "email": "a@example.com", "password": "my own secret words"}).text,
            client.get("/readyz").text,
            client.get("/nowhere").text,
            caplog.text,
            repr(current_settings.of(app)),
        ]

    for secret in (SECRET_KEY, "hunter2hunter2", "my own secret words"):
        assert not [text for text in texts if secret in text]


def released() -> dict[str, bytes]:
    """The content of `git archive`, as others get it."""
    command = ["git", "-c", "safe.directory=*", "archive", "--format=tar", "HEAD"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)  # noqa: S603
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        members = [member for member in archive if member.isfile()]
        return {member.name: (archive.extractfile(member) or io.BytesIO()).read() for member in members}


def test_re14_a_release_contains_no_secrets_no_git_and_no_data() -> None:
    files = released()

    assert {"wsgi.py", "pyproject.toml", "portal/__init__.py"} <= set(files)
    assert [name for name in files if UNWANTED.search(name)] == []
    for what, pattern in SECRETS.items():
        assert [name for name, content in files.items() if re.search(pattern, content)] == [], what


def test_re14_only_the_demo_contains_a_known_password() -> None:
    files = released()
    known = re.compile(rb"DEMO_PASSWORD\s*=|welcome to the portal|admin123")

    source = {name for name, content in files.items() if name.startswith("portal/") and known.search(content)}
    assert {name for name in source if name.endswith(".py")} == {"portal/demo.py"}


def test_re12_every_dependency_is_pinned_with_hashes_and_without_a_url() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text(encoding="utf-8")
        entries = text.replace("\\\n", " ").strip().splitlines()
        for entry in entries:
            assert re.match(r"[\w.-]+==[\w.]+ ( *;[^-]+)?( *--hash=sha256:[0-9a-f]{64})+ *$", entry), entry[:80]
        assert not re.search(r"https?:|//|index-url|find-links|trusted-host|@ ", text)


def test_re12_the_lock_files_contain_all_dependencies_and_tests_run_on_the_released_versions() -> None:
    def pinned(name: str) -> dict[str, str]:
        found = re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / name).read_text(encoding="utf-8"), re.M)
        return {package.lower(): version for package, version in found}

    run, test = pinned("requirements.txt"), pinned("requirements-dev.txt")
    required = re.findall(
        r'^    "([\w-]+)(?:\[\w+\])?==([\w.]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M
    )

    assert len(required) > 8
    assert {package: run[package] for package, _ in required} == dict(required)
    assert run.items() <= test.items()


def test_re12_the_audit_is_part_of_every_run() -> None:
    assert "make audit" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "pip-audit" in (ROOT / ".ci" / "audit").read_text(encoding="utf-8").replace("pip_audit", "pip-audit")
