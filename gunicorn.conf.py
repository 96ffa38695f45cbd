"""How does gunicorn serve the portal in production? `gunicorn wsgi:app` reads this file by itself."""

from __future__ import annotations

from typing import Any

from prometheus_client.multiprocess import mark_process_dead

from portal.config import load_settings

settings = load_settings()

bind = "127.0.0.1:8000"
worker_class = "gthread"
workers = 2
threads = 64  # more than PORTAL_CONCURRENT_REQUESTS, so that /healthz and refusals get one, too
graceful_timeout = 30  # TERM, and HUP for a rolling restart, let requests end
keepalive = 5
forwarded_allow_ips = ""  # which proxies are believed is PORTAL_TRUSTED_PROXIES's to say
control_socket_disable = True


def child_exit(_server: Any, worker: Any) -> None:
    """What a worker counted stays, what it was doing is over."""
    if settings.metrics_folder:
        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
