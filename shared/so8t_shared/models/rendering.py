"""Render foreign chat templates in a child process that can be ended.

A template is a program: it may loop forever, or make gigabytes, inside one call that no signal handler interrupts. So a
child with a limited processor time and memory renders it, one child per process for all templates. It starts with the
first one (a tenth of a second) and then takes a few hundred microseconds for each.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from so8t_shared.errors import InputError
from so8t_shared.interruption import StopSignal, stop_of_process
from so8t_shared.json_files import Channel

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
        with self._guard:
            stop = stop_of_process()
            answer = self._answer({"template": template, "messages": messages, "given": given}, stop)
            if answer is None:
                self.close()
        if answer is None:
            stop.check()  # then a signal ended it
            raise unusable(
                f"it does not end within {self._limits.cpu_s} s and {self._limits.memory_bytes >> 20:,} MiB of memory"
            )
        if "error" in answer:
            raise unusable(str(answer["error"]))
        return str(answer["text"])

    def _answer(self, request: dict[str, Any], stop: StopSignal) -> dict[str, Any] | None:
        """Return the child's answer; None if it ended, or was ended because its time is over or a signal came."""
        hurried = stop.is_set
        watchdog = threading.Timer(_HURRIED_S if hurried else self._limits.cpu_s * _WALL, self._kill)
        watchdog.name = "rendering"
        watchdog.start()
        try:
            with stop.doing(self._kill):
                channel = self._channel()
                channel.send(request)
                if stop.is_set and not hurried:  # the signal came before the child
                    self._kill()
                return channel.receive()
        except BrokenPipeError:
            return None
        finally:
            watchdog.cancel()
            watchdog.join()

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
        )
        channel = _channel_to(self._process)
        channel.send(asdict(self._limits))
        return channel

    def _kill(self) -> None:
        if self._process:
            self._process.kill()


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
