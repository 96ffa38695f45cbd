"""Fixtures that tests of requests share."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture
def portal_log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What the portal logs at level INFO and above."""
    caplog.set_level(logging.INFO, logger="portal")
    return caplog
