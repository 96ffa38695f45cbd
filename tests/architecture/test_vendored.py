"""Vendored files are exactly what their authors released."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

import pytest

from portal.config import ROOT

VENDOR = ROOT / "static" / "vendor"
LISTED = dict(
    re.findall(r"^\| `([^`]+)` \|.*`([0-9a-f]{64})` \|$", (VENDOR / "README.md").read_text(encoding="utf-8"), re.M)
)
WRITTEN_BESIDE = (".br", ".gz", ".md", "LICENSE")
FOREIGN = re.compile(r"""(?:src|href|action|url|@import)\s*[=(]\s*["']?\s*(?:https?:)?//""", re.I)
SHIPPED = [
    path
    for folder in ("templates", "static")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".html", ".css", ".js", ".svg") and VENDOR not in path.parents
]


def test_cs7_every_vendored_file_is_listed_with_its_checksum_and_license() -> None:
    files = [path for path in VENDOR.rglob("*") if path.is_file() and not path.name.endswith(WRITTEN_BESIDE)]

    assert {str(path.relative_to(VENDOR)) for path in files} == set(LISTED)
    for path in files:
        assert (path.parent / "LICENSE").is_file(), path


@pytest.mark.parametrize("name", LISTED)
def test_cs7_a_vendored_file_has_its_listed_checksum(name: str) -> None:
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == LISTED[name]


@pytest.mark.parametrize("name", LISTED)
def test_cs7_a_compressed_copy_contains_the_same_bytes(name: str) -> None:
    assert gzip.decompress((VENDOR / f"{name}.gz").read_bytes()) == (VENDOR / name).read_bytes()
    assert (VENDOR / f"{name}.br").is_file()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_cs7_nothing_is_loaded_from_another_host(path: Path) -> None:
    assert not FOREIGN.search(path.read_text(encoding="utf-8"))
