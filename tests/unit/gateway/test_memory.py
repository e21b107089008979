"""What the service keeps of the requests that it has answered: nothing."""

from __future__ import annotations

import asyncio
import gc
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.tiny_guard import DECISIONS
from tests.unit.gateway.in_process import BODIES, Saying, app_of, client_of, decider_of
from tests.unit.gateway.service_process import EMBEDDED, running
from tests.unit.gateway.session import Prepared, hand_over

from so8t_gateway.access import TokenGate
from so8t_gateway.audit.auditor import open_auditor
from so8t_gateway.engines.engine import Sampling, Written
from so8t_shared.client_tokens import add_token

_REQUESTS = 60
"""Per interface and measurement."""
_FEW = 0.7
"""Blocks of memory per request: a single string that is kept is a whole one. Python's caches still fill up."""


class Forgetful(Saying):
    """A model that does not note what it was asked."""

    async def write(self, prompt: str, sampling: Sampling) -> Written:
        """Allow it."""
        self.asked.clear()
        return await super().write(prompt, sampling)


def test_nothing_is_kept_per_request(tmp_path: Path) -> None:
    """Twice as many requests, each of another user, leave as many blocks of memory, on every interface."""
    tested, tokens = Prepared(tmp_path, {"think": {"audit": _audit(tmp_path)}}), tmp_path / "tokens.json"
    token = add_token(tokens, "client", requests_per_minute=10**9, concurrency=10)
    auditor = open_auditor(tested.config, tested.store)
    decider = decider_of(Forgetful("<think>a secret</think><final>ALLOW</final>"))
    app = app_of(decider, auditor, TokenGate(tokens, 10))

    async def ask(first: int) -> None:
        async with client_of(app) as client:
            client.headers["authorization"] = f"Bearer {token}"
            for number in range(first, first + _REQUESTS):
                for path, body in BODIES.items():
                    named = {**body, "user_id": f"user {number}", "user": f"user {number}"}
                    assert (await client.post(path, json=named)).status_code == 200

    def blocks(first: int) -> int:
        asyncio.run(ask(first))  # a loop of its own: one keeps the timers of answered requests for a while
        gc.collect()
        return sys.getallocatedblocks()

    try:
        _, once, twice = (blocks(turn * _REQUESTS) for turn in range(3))
    finally:
        auditor.close()
    assert twice - once < _FEW * _REQUESTS * len(BODIES)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="CANNOT BE TESTED HERE: the engine has threads, too")
def test_no_thread_is_begun_by_requests(guard: Path, tmp_path: Path) -> None:
    """The threads that wait for the disk are there from the start."""
    tested = Prepared(tmp_path, EMBEDDED)
    hand_over(tested, guard)
    with running(tested, audit={**_audit(tmp_path), "sync": True}) as think, ThreadPoolExecutor(8) as clients:
        service = psutil.Process(think.process.pid)
        assert think.ask(next(iter(DECISIONS))).status_code == 200  # the engine has begun its own thread
        before = service.num_threads()
        assert {answer.status_code for answer in clients.map(think.ask, [*DECISIONS] * 4)} == {200}
        assert service.num_threads() == before


_HEAPS = """
import ctypes, sys, threading
from so8t_gateway.heap import keep_heap_small
if sys.argv[1:]:
    keep_heap_small()
c = ctypes.CDLL(None)
c.malloc.restype = c.fopen.restype = ctypes.c_void_p
all_there = threading.Barrier(4)
def take():
    all_there.wait()
    c.malloc(1000)
    all_there.wait()
threads = [threading.Thread(target=take) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
file = ctypes.c_void_p(c.fopen(b"/dev/stdout", b"w"))
c.malloc_info(0, file)
c.fclose(file)
"""


_GLIBC = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="CANNOT BE TESTED HERE: the C library is not glibc"
)


@_GLIBC
def test_threads_share_one_heap() -> None:
    """With a heap for each thread, memory would grow with the requests: only a heap's end is given back."""

    def heaps(*arguments: str) -> int:
        done = subprocess.run([sys.executable, "-c", _HEAPS, *arguments], capture_output=True, text=True, check=True)
        return done.stdout.count("<heap nr=")

    assert heaps() > 1
    assert heaps("kept small") == 1


_GAPS = """
import ctypes
import psutil
from so8t_gateway.heap import give_back, keep_heap_small
keep_heap_small()
c = ctypes.CDLL(None)
c.malloc.restype, c.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
rss = psutil.Process().memory_info
taken = [c.malloc(10_000) for _ in range(5_000)]
for place in taken:
    ctypes.memset(place, 1, 10_000)
for place in taken[:-1]:
    c.free(place)
before = rss().rss
give_back()
print(before - rss().rss)
"""


@_GLIBC
def test_gaps_in_the_heap_are_given_back() -> None:
    """One piece that is still used at the end of the heap keeps nothing before it from the system."""
    done = subprocess.run([sys.executable, "-c", _GAPS], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 40_000_000


def _audit(folder: Path) -> dict[str, Any]:
    return {"folder": str(folder / "audit"), "key_file": str(folder / "audit.key")}
