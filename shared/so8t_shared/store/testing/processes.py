"""Real processes for races and kills: forked, so that sixteen of them start in an instant."""

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
    """What `work(i)` answers in each of `count` processes that begin at the same moment."""
    fork = multiprocessing.get_context("fork")
    gate = fork.Barrier(count)
    pipes = [fork.Pipe(duplex=False) for _ in range(count)]

    def begin(number: int, answer: Connection) -> None:
        gate.wait(_PATIENCE_S)
        answer.send(work(number))

    processes = [start(partial(begin, number, pipes[number][1])) for number in range(count)]
    for _, writing in pipes:
        writing.close()  # so that a child that died gives EOFError here, not an endless wait
    answers = [_received(reading, process) for (reading, _), process in zip(pipes, processes, strict=True)]
    for process in processes:
        process.join(_PATIENCE_S)
    return answers


def start(work: Callable[[], Any]) -> BaseProcess:
    """A process that runs `work`; end it with `kill`, or wait with `exit_code`."""
    process = multiprocessing.get_context("fork").Process(target=work, daemon=True)
    process.start()
    _STARTED.append(process)
    return process


def end_all() -> None:
    """End what a failed test left running; such a process would keep pytest itself from ending."""
    while _STARTED:
        process = _STARTED.pop()
        process.kill()
        process.join()


@contextmanager
def running(work: Callable[[], Any]) -> Iterator[BaseProcess]:
    """A process that runs `work`, and that is gone after the block also when the test fails in it."""
    process = start(work)
    try:
        yield process
    finally:
        process.kill()
        process.join()


def exit_code(process: BaseProcess) -> int:
    """Exit code of a process once it has ended; minus the signal's number when one ended it."""
    process.join(_PATIENCE_S)
    assert process.exitcode is not None, "the process did not end"
    return process.exitcode


def kill(process: BaseProcess) -> None:
    """SIGKILL, and wait for the end."""
    process.kill()
    assert exit_code(process) == _KILLED


def _received(reading: Connection, process: BaseProcess) -> Any:
    assert reading.poll(_PATIENCE_S), f"{process.name} gave no answer"
    try:
        return reading.recv()
    except EOFError:
        process.join(_PATIENCE_S)
        raise AssertionError(f"{process.name} ended with {process.exitcode} and gave no answer") from None
