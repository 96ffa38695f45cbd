"""The initial migrations, and sample migrations that follow them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from flask import Flask

from portal.config import ROOT
from portal.postgres import migrations

VERSIONS = ROOT / "migrations" / "versions"
SAMPLES = ROOT / "tests" / "migrations" / "samples"
INITIAL = "0007_data_browser_reader"  # the last migration that only runs on an empty database


def with_samples(config: Config) -> Config:
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", os.pathsep.join((str(VERSIONS), str(SAMPLES))))
    return config


@pytest.fixture
def samples(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Add the sample migrations after the portal's own."""
    monkeypatch.setattr(migrations, "VERSIONS", (VERSIONS, SAMPLES))
    migrations.known.cache_clear()
    yield
    migrations.known.cache_clear()


def upgraded_with_samples(app: Flask) -> Flask:
    app.extensions["migrate"].migrate.configure(with_samples)
    return app


def revisions() -> list[str]:
    """All revisions, oldest first."""
    script = ScriptDirectory(str(migrations.FOLDER), version_locations=[str(one) for one in migrations.VERSIONS])
    return [one.revision for one in reversed(list(script.walk_revisions()))]
