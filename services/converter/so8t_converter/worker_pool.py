"""A pool of processes that answer JSON lines with JSON lines; each gets a new job when it is idle."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

from so8t_shared.errors import So8tError
from so8t_shared.json_files import Channel
from so8t_shared.processes import ctrl_c_held_back


class WorkerPool:
    """Several `python -m MODULE ARGUMENTS` processes; only JSON crosses the process boundary."""

    def __init__(self, module: str, arguments: Sequence[str], processes: int) -> None:
        command = [sys.executable, "-m", module, *arguments]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self._processes = [_start(command, environment) for _ in range(processes)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            if kind is not None:
                process.kill()
            elif process.stdin is not None:
                process.stdin.close()  # no more jobs
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with suppress(BrokenPipeError):  # a killed process had a half-sent job; `error` is the cause
                        stream.close()

    def answers(self, jobs: Sequence[Mapping[str, Any]]) -> Iterator[int]:
        """Run all jobs; yield each job's index in `jobs` when it is done, in any order.

        Raises:
            OSError: a worker could not write.
            So8tError: a worker died or rejected a job.
        """
        todo: queue.SimpleQueue[int] = queue.SimpleQueue()
        for place in range(len(jobs)):
            todo.put(place)
        done: queue.SimpleQueue[int | Exception] = queue.SimpleQueue()
        for process in self._processes:
            threading.Thread(target=_feed, args=(process, jobs, todo, done), daemon=True).start()
        for _ in jobs:
            answer = done.get()
            if isinstance(answer, Exception):
                raise answer
            yield answer


def _start(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with ctrl_c_held_back():
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)


def _feed(
    process: subprocess.Popen[bytes],
    jobs: Sequence[Mapping[str, Any]],
    todo: queue.SimpleQueue[int],
    done: queue.SimpleQueue[int | Exception],
) -> None:
    while True:
        try:
            place = todo.get_nowait()
        except queue.Empty:
            return
        try:
            answer = _ask(process, jobs[place])
        except (OSError, ValueError) as error:
            done.put(So8tError(f"A worker process ended early ({error}).", remedy="run the same command again"))
            return
        if "errno" in answer:
            done.put(OSError(answer["errno"], answer["error"]))
        elif "error" in answer:
            done.put(So8tError(f"A worker process rejected a job: {answer['error']}."))
        else:
            done.put(place)


def _ask(process: subprocess.Popen[bytes], job: Mapping[str, Any]) -> dict[str, Any]:
    channel = _channel(process)
    channel.send(job)
    answer = channel.receive()
    if answer is None:
        raise ValueError(f"exit code {process.wait()}")
    return answer


def _channel(process: subprocess.Popen[bytes]) -> Channel:
    assert process.stdin is not None
    assert process.stdout is not None
    return Channel(cast(BinaryIO, process.stdout), cast(BinaryIO, process.stdin))
