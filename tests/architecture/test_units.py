"""The systemd units start programs and commands that exist, and systemd accepts them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import click
import pytest

from portal import create_app
from portal.config import ROOT, load_settings
from tests.database import SECRET_KEY, disconnect, settings_for

UNITS = sorted((ROOT / "docs" / "systemd").glob("portal*.[st]*e*"))
SERVICES = [path for path in UNITS if path.suffix == ".service"]
PLACE = "/opt/portal"
ANALYZE = shutil.which("systemd-analyze")
IS_REQUIRED = os.environ.get("PORTAL_REQUIRE_SYSTEMD", "") not in ("", "0")


def unit(path: Path) -> ConfigParser:
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path, encoding="utf-8")
    return parser


def test_there_are_units_for_pages_worker_and_sealing() -> None:
    assert [path.name for path in UNITS if path.suffix in (".service", ".timer")] == [
        "portal-seal.service", "portal-seal.timer", "portal-worker.service", "portal.service",
    ]  # fmt: skip


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_the_program_and_command_of_a_unit_exist(path: Path) -> None:
    program, *arguments = unit(path)["Service"]["ExecStart"].split()
    name = program.removeprefix(f"{PLACE}/.venv/bin/")

    assert (Path(sys.prefix) / "bin" / name).is_file()
    if name == "gunicorn":
        assert arguments[0] == "wsgi:app"
        return
    assert arguments[:2] == ["--app", "wsgi"]
    app = create_app(settings_for("postgresql+psycopg://nobody@127.0.0.1:1/none"))
    disconnect(app)
    command: click.Command | click.Group = app.cli
    for word in arguments[2:]:
        assert isinstance(command, click.Group)
        command = command.commands[word]


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_every_unit_runs_as_its_own_user_with_few_privileges(path: Path) -> None:
    service = unit(path)["Service"]

    assert (service["User"], service["EnvironmentFile"]) == ("portal", "/etc/portal/portal.env")
    expected = {"NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "CapabilityBoundingSet": ""}
    assert {name: service[name] for name in expected} == expected
    hardening = [{**unit(one)["Service"]}.items() - {"ExecStart"} for one in SERVICES]
    common = set.intersection(*(set(items) for items in hardening))
    assert {name for name, _ in common} >= {"SystemCallFilter", "RestrictAddressFamilies", "PrivateTmp", "UMask"}


def test_the_settings_file_contains_valid_settings_and_no_secret() -> None:
    lines = (ROOT / "docs" / "systemd" / "portal.env").read_text(encoding="utf-8").splitlines()
    values = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    values = {name: value.strip("'") for name, value in values.items()}

    settings = load_settings({**values, "SECRET_KEY": SECRET_KEY})

    assert settings.misspelled == ()
    assert settings.missing_for_mail is None
    assert settings.production


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """If systemd-analyze is installed. Programs of an installation are replaced by those of the tests."""
    if ANALYZE is None:
        assert not IS_REQUIRED, "apt-get install systemd"
        return
    for path in UNITS:
        text = path.read_text(encoding="utf-8").replace(f"{PLACE}/.venv", sys.prefix).replace(PLACE, str(ROOT))
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    names = [str(tmp_path / path.name) for path in UNITS if path.suffix in (".service", ".timer")]

    done = subprocess.run([ANALYZE, "verify", "--man=no", *names], capture_output=True, text=True)  # noqa: S603

    own = [line for line in done.stderr.splitlines() if re.search(r"portal[\w.-]*\.(service|timer)", line)]
    assert own == []
    assert done.returncode == 0, done.stderr
