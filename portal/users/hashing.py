"""Hash passwords on threads of their own, with low priority, so that pages stay fast while many people sign in.

A hash takes a quarter of a second of processor time. There are as many threads as processors: more would only make
each hash take longer. Sign-ins still get every processor that pages leave.
"""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache

import bcrypt

# Read at import, before the server pins each of its processes to one (gunicorn.conf.py).
PROCESSORS = os.sched_getaffinity(0) if sys.platform == "linux" else set(range(os.cpu_count() or 1))
NICENESS = 10  # about a tenth of what a page's thread gets, if both want the same processor


def hashed(key: bytes, cost: int) -> bytes:
    return _threads(os.getpid()).submit(bcrypt.hashpw, key, bcrypt.gensalt(cost)).result()


def is_hash_of(key: bytes, stored: bytes) -> bool:
    """Raises ValueError if it isn't a bcrypt hash."""
    return _threads(os.getpid()).submit(bcrypt.checkpw, key, stored).result()


@lru_cache(maxsize=1)
def _threads(process: int) -> ThreadPoolExecutor:
    """A process that was forked has none of its parent's threads, so it starts its own."""
    return ThreadPoolExecutor(len(PROCESSORS), thread_name_prefix=f"hashing-{process}", initializer=_give_way)


def _give_way() -> None:
    """Use any processor, with low priority. Only Linux has either per thread."""
    if sys.platform == "linux":
        with suppress(OSError):  # all of them can have been taken away meanwhile
            os.sched_setaffinity(0, PROCESSORS)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
