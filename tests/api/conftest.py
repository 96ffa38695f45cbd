"""The client that the tests of the API share."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.api.calling import Program


@pytest.fixture
def program(app: Flask) -> Program:
    return Program(app)
