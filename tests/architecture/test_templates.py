"""Does every template compile, with every filter, test and import that it names?"""

from __future__ import annotations

import pytest

from portal.config import ROOT
from tests.database import app_for

TEMPLATES = sorted(str(path.relative_to(ROOT / "templates")) for path in (ROOT / "templates").rglob("*.html"))


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_compiles(name: str) -> None:
    app = app_for("postgresql+psycopg://nobody@/none?host=/nowhere")  # never connected to

    template = app.jinja_env.get_template(name)

    assert template.name == name
