"""Observability: a log line per request, and metrics for Prometheus."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterable, Sequence

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from portal.config import Settings
from portal.core import checks
from portal.core.actor import SYSTEM
from portal.core.db import acting_as, db
from portal.web.given import Given, current_settings

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
OUTCOMES = {
    "sign_in": "begun", "sign_in_failed": "failed", "two_factor_failed": "failed", "rate_limited": "rate_limited",
}  # fmt: skip

log = logging.getLogger("portal.requests")
# Creation times of counters would double the output.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Numbers:
    """The metrics of one application."""

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
        labels = ("endpoint", "method", "status")
        self.requests = Counter("portal_requests", "Completed requests.", labels, registry=own)
        self.seconds = Histogram(
            "portal_request_seconds", "Response times.", ("endpoint",), buckets=SECONDS, registry=own
        )
        self.sheds = Counter("portal_sheds", "Requests that got 503 because all slots were taken.", registry=own)
        self.sign_ins = Counter("portal_sign_ins", "Attempts to sign in.", ("outcome",), registry=own)
        self.in_use = Gauge(
            "portal_pool_in_use", "Database connections in use.", multiprocess_mode="livesum", registry=own
        )
        for outcome in set(OUTCOMES.values()):
            self.sign_ins.labels(outcome)


gauges: Given[Sequence[checks.Gauge]] = Given("gauges")
counted: Given[Numbers] = Given("numbers")


class FromDatabase(Collector):
    """Gauges that are read for each scrape, and left out while the database is unavailable."""

    def collect(self) -> Iterable[GaugeMetricFamily]:
        for gauge in gauges():
            try:
                with acting_as(SYSTEM):
                    value = gauge.read()
            except SQLAlchemyError:
                continue
            yield GaugeMetricFamily(gauge.name, gauge.meaning, value=value)


def init_app(app: Flask, settings: Settings) -> None:
    counted.set(app, Numbers())

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()

    @app.after_request
    def note(response: Response) -> Response:
        took = time.perf_counter() - g.get("began", time.perf_counter())
        _count(response, took)
        if settings.log:
            log.info("request", extra={"fields": _log_fields(response, took)})
        return response


def count_sign_in(action: str) -> None:
    """Count a sign-in attempt, by its action in the history."""
    counted().sign_ins.labels(OUTCOMES[action]).inc()


def exposition() -> bytes:
    """All metrics in Prometheus' format: of this process, or of all that share PROMETHEUS_MULTIPROC_DIR."""
    settings = current_settings()
    registry = counted().registry
    if settings.metrics_folder:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, settings.metrics_folder)  # type: ignore[no-untyped-call]
    beside = CollectorRegistry()
    beside.register(FromDatabase())
    return generate_latest(registry) + generate_latest(beside)


def _count(response: Response, took: float) -> None:
    numbers, endpoint = counted(), request.endpoint or "none"
    method = request.method if request.url_rule else "any"  # made-up methods must not become labels
    numbers.requests.labels(endpoint, method, str(response.status_code)).inc()
    numbers.seconds.labels(endpoint).observe(took)
    numbers.in_use.set(db.engine.pool.checkedout())  # type: ignore[attr-defined]
    if g.get("was_shed"):
        numbers.sheds.inc()


def _log_fields(response: Response, took: float) -> dict[str, object]:
    """The fields of the log line: people's ids only, no query, no address, and only safe parts of the path."""
    actor = g.get("actor")
    return {
        "request_id": g.get("request_id"),
        "actor_id": actor and actor.id,
        "tenant_id": actor and actor.organization_id,
        "method": request.method,
        "endpoint": request.endpoint,
        "path": _path(),
        "status": response.status_code,
        "ms": round(took * 1000, 1),
    }


def _path() -> str | None:
    """The route with the ids of rows. Other parts can be secrets, such as the token of an emailed link."""
    if request.url_rule is None:
        return None
    path = request.url_rule.rule
    for name, value in (request.view_args or {}).items():
        if isinstance(value, uuid.UUID):
            path = path.replace(f"<uuid:{name}>", str(value))
    return path
