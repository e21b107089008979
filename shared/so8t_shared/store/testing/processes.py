"""Real processes for races and kills; forked, so that sixteen start in an instant."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

_STARTED: list[BaseProcess] = []
_PATIENCE_S = 60.0
_KILLED = -9


def race(count: int, work: Callable[[int], Any]) -> list[Any]:
    """The results of `work(i)` in `count` processes that start at the same moment."""
    fork = multiprocessing.get_context("fork")
    gate = fork.Barrier(count)
    pipes = [fork.Pipe(duplex=False) for _ in range(count)]

    def begin(number: int, answer: Connection) -> None:
        gate.wait(_PATIENCE_S)
        answer.send(work(number))

    processes = [start(partial(begin, number, pipes[number][1])) for number in range(count)]
    for _, writing in pipes:
        writing.close()  # otherwise a dead child would mean an endless wait, not an EOFError
    answers = [_received(reading, process) for (reading, _), process in zip(pipes, processes, strict=True)]
    for process in processes:
        process.join(_PATIENCE_S)
    return answers


def start(work: Callable[[], Any]) -> BaseProcess:
    """Start a process that runs `work`; end it with `kill`, or wait with `exit_code`."""
    process = multiprocessing.get_context("fork").Process(target=work, daemon=True)
    process.start()
    _STARTED.append(process)
    return process


def end_all() -> None:
    """Kill processes left running by a failed test; they would keep pytest from exiting."""
    while _STARTED:
        process = _STARTED.pop()
        process.kill()
        process.join()


@contextmanager
def running(work: Callable[[], Any]) -> Iterator[BaseProcess]:
    """Run `work` in a process during the block; the process is killed even if the test fails."""
    process = start(work)
    try:
        yield process
    finally:
        process.kill()
        process.join()


def exit_code(process: BaseProcess) -> int:
    """Wait for a process to end; return its exit code, or minus the signal's number if a signal ended it."""
    process.join(_PATIENCE_S)
    assert process.exitcode is not None, "the process did not end"
    return process.exitcode


def kill(process: BaseProcess) -> None:
    """Send SIGKILL and wait for the end."""
    process.kill()
    assert exit_code(process) == _KILLED


def _received(reading: Connection, process: BaseProcess) -> Any:
    assert reading.poll(_PATIENCE_S), f"{process.name} returned nothing"
    try:
        return reading.recv()
    except EOFError:
        process.join(_PATIENCE_S)
        raise AssertionError(f"{process.name} exited with {process.exitcode} and returned nothing") from None
