"""How does gunicorn serve the portal in production? `gunicorn wsgi:app` reads this file by itself."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import Any

from gunicorn.workers.gthread import ThreadWorker
from prometheus_client.multiprocess import mark_process_dead

from portal.config import load_settings


class Worker(ThreadWorker):  # type: ignore[misc]
    """Lets the process with the fewest connections accept the next one: the more it has, the longer it hesitates.

    Otherwise a process that is quick to see them often has three or all of four, while another is idle.
    """

    def accept(self, listener: Any) -> None:
        time.sleep(self.hesitation(self.nr_conns))
        super().accept(listener)

    @staticmethod
    def hesitation(connections: int) -> float:
        """In seconds. The first step gives an idle process time; with all of them, a thousand a second get in."""
        return 0.0002 * min(connections, 5)


PROCESSORS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []  # that the server may use

settings = load_settings()

bind = "127.0.0.1:8000"
worker_class = Worker
workers = 2
threads = 64  # more than PORTAL_CONCURRENT_REQUESTS, so that /healthz and refusals get one, too
graceful_timeout = 30  # TERM, and HUP for a rolling restart, let requests end
keepalive = 5
forwarded_allow_ips = ""  # which proxies are believed is PORTAL_TRUSTED_PROXIES's to say
control_socket_disable = True


def pre_fork(server: Any, worker: Any) -> None:
    """Choose the processor that runs the fewest processes, counting those that a restart is about to end."""
    taken = [getattr(one, "processor", None) for one in server.WORKERS.values()]
    worker.processor = min(PROCESSORS, key=taken.count, default=None)


def post_worker_init(worker: Any) -> None:
    """Pin the process to its processor if each has its own: its threads take turns anyway, and find more in its caches.

    Not if the processor was taken away meanwhile, as a container's can be.
    """
    if worker.cfg.workers == len(PROCESSORS):
        with suppress(OSError):
            os.sched_setaffinity(0, {worker.processor})


def child_exit(_server: Any, worker: Any) -> None:
    """What a worker counted stays, what it was doing is over."""
    if settings.metrics_folder:
        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
