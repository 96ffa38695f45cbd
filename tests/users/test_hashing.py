"""Hashing gives way to pages."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import bcrypt
import pytest

from portal.config import ROOT
from portal.users import hashing

FORKS = """
import os, sys
from portal.users import hashing
stored = hashing.hashed(b"before", 4)
child = os.fork()
if child == 0:
    os._exit(0 if hashing.is_hash_of(b"before", stored) else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

KEPT_ON_ONE = """
import os
from portal.users import hashing
own = os.sched_getaffinity(0)
os.sched_setaffinity(0, {min(own)})
assert hashing._threads(os.getpid()).submit(os.sched_getaffinity, 0).result() == own

hashing._threads.cache_clear()
hashing.PROCESSORS = {max(own) + 1000}  # taken away since
assert hashing.hashed(b"correct horse", 4).startswith(b"$2b$04$")
"""


def test_hashes_are_bcrypt_of_the_cost_that_was_asked_for() -> None:
    stored = hashing.hashed(b"correct horse", 5)
    assert stored.startswith(b"$2b$05$")
    assert bcrypt.checkpw(b"correct horse", stored)
    assert (hashing.is_hash_of(b"correct horse", stored), hashing.is_hash_of(b"wrong", stored)) == (True, False)
    with pytest.raises(ValueError, match="salt"):
        hashing.is_hash_of(b"correct horse", b"not a hash")


def test_hashing_has_a_lower_priority_than_the_thread_that_waits_for_it() -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    found = hashing._threads(os.getpid()).submit(os.getpriority, os.PRIO_PROCESS, 0).result()
    lower = hashing.NICENESS if sys.platform == "linux" else 0  # elsewhere threads have no priorities
    assert (found - own, os.getpriority(os.PRIO_PROCESS, 0)) == (lower, own)


def test_there_are_no_more_hashing_threads_than_processors() -> None:
    pool, processors = hashing._threads(os.getpid()), len(hashing.PROCESSORS)
    barrier = threading.Barrier(processors)
    waiting = [pool.submit(lambda: (barrier.wait(60), threading.get_ident())[1]) for _ in range(processors * 3)]
    assert len({one.result(60) for one in waiting}) == processors


def test_hashing_uses_every_processor_although_its_process_is_kept_on_one() -> None:
    if sys.platform != "linux":
        return  # elsewhere no thread is kept on a processor
    subprocess.run([sys.executable, "-c", KEPT_ON_ONE], cwd=ROOT, check=True, timeout=60)  # noqa: S603


def test_a_forked_worker_hashes_although_its_parent_did_before() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKS], cwd=ROOT, timeout=60)  # noqa: S603
    assert done.returncode == 0
