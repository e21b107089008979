"""Render foreign chat templates in a child process that can be ended.

A template is a program: it may loop forever, or make gigabytes, inside one call that no signal handler interrupts. So a
child with a limited processor time and memory renders it, one child per process for all templates. It starts with the
first one (a tenth of a second). An exchange takes a few hundred microseconds, so many conversations can share one; the
limits hold for each of them.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from typing import Any

from so8t_shared.errors import InputError
from so8t_shared.interruption import StopSignal, stop_of_process
from so8t_shared.json_files import Channel
from so8t_shared.redaction import environment_without_secrets

_WALL = 6
"""A template may take this many times its processor time on a busy machine."""
_HURRIED_S = 1.0
"""What a template may take once this process was asked to stop."""


@dataclass(frozen=True)
class Limits:
    """What one rendering may take; thousands of times what the templates of known models need."""

    cpu_s: int = 3
    memory_bytes: int = 1 << 30
    """Address space of the child, where the system limits it."""
    letters: int = 16 << 20
    """Length of the text."""


class Renderer:
    """The child process of this one; started when needed, also after a fork or its death."""

    def __init__(self, limits: Limits = Limits()) -> None:
        self._limits = limits
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        """Id of the process that started the child; a fork must not use its pipes."""

    @property
    def pid(self) -> int | None:
        """Id of the child; None if there is none."""
        return self._process.pid if self._process else None

    def render(self, template: str, messages: list[dict[str, str]], given: dict[str, Any]) -> str:
        """Render one conversation; `given` are the template's other variables.

        Raises:
            InputError: the template is not valid, rejects the messages, or does not end within the limits.
            Interrupted: a signal asked this process to stop meanwhile.
        """
        return self.render_all(template, [messages], given)[0]

    def render_all(
        self, template: str, conversations: Sequence[list[dict[str, str]]], given: dict[str, Any]
    ) -> list[str]:
        """Render several conversations in one exchange with the child.

        Raises:
            InputError: as `render`, for the first conversation that fails.
            Interrupted: as `render`.
        """
        request = {"template": template, "conversations": conversations, "given": given}
        texts: list[str] = []
        with self._guard:
            stop = stop_of_process()
            answer: dict[str, Any] | None = None
            with closing(self._answers(request, len(conversations), stop)) as answers:
                for answer in answers:
                    if answer is None or "error" in answer:
                        break
                    texts.append(str(answer["text"]))
            if answer is None:
                self.close()
        if len(texts) == len(conversations):
            return texts
        if answer is None:
            stop.check()  # then a signal ended it
            raise unusable(
                f"it does not end within {self._limits.cpu_s} s and {self._limits.memory_bytes >> 20:,} MiB of memory"
            )
        raise unusable(str(answer["error"]))

    def _answers(
        self, request: dict[str, Any], count: int, stop: StopSignal
    ) -> Generator[dict[str, Any] | None, None, None]:
        """Yield the child's answers, the last one None if it ended: its time was over, or a signal came."""
        hurried = stop.is_set
        watchdog = _Watchdog(_HURRIED_S if hurried else self._limits.cpu_s * _WALL, self._kill)
        try:
            with stop.doing(self._kill):
                channel = self._channel()
                channel.send(request)
                if stop.is_set and not hurried:  # the signal came before the child
                    self._kill()
                for _ in range(count):
                    yield channel.receive()
                    watchdog.renew()
        except BrokenPipeError:
            yield None
        finally:
            watchdog.cancel()

    def wait(self) -> None:
        """Wait for the end of a child that is ending."""
        if self._process:
            self._process.wait()

    def close(self) -> None:
        """End the child, if it is ours."""
        process, self._process = self._process, None
        if process is None:
            return
        ours = self._owner == os.getpid()
        if ours:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                if pipe:
                    pipe.close()

    def _channel(self) -> Channel:
        if self._process is not None and self._owner == os.getpid() and self._process.poll() is None:
            return _channel_to(self._process)
        self.close()
        self._owner = os.getpid()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "so8t_shared.models.render_child", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment_without_secrets(),
        )
        channel = _channel_to(self._process)
        channel.send(asdict(self._limits))
        return channel

    def _kill(self) -> None:
        if self._process:
            self._process.kill()


class _Watchdog(threading.Thread):
    """Calls a function when it was not renewed for so many seconds."""

    def __init__(self, wait_s: float, act: Callable[[], None]) -> None:
        super().__init__(name="rendering", daemon=True)
        self._wait_s, self._act = wait_s, act
        self._over = threading.Event()
        self.renew()
        self.start()

    def renew(self) -> None:
        """Let the time begin again."""
        self._until = time.monotonic() + self._wait_s

    def run(self) -> None:
        """Wait, as a thread."""
        while (left := self._until - time.monotonic()) > 0:
            if self._over.wait(left):
                return
        self._act()

    def cancel(self) -> None:
        """End the thread."""
        self._over.set()
        self.join()


def _channel_to(process: subprocess.Popen[bytes]) -> Channel:
    assert process.stdin
    assert process.stdout
    return Channel(process.stdout, process.stdin)


def unusable(why: str) -> InputError:
    """The error for a chat template that cannot be rendered."""
    return InputError(
        f"The model's chat template cannot be rendered: {why}",
        where="chat_template in tokenizer_config.json",
        remedy="correct the template in the model's folder",
    )


RENDERER = Renderer()
"""This process's own."""
atexit.register(RENDERER.close)
