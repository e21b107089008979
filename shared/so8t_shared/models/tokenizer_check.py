"""Load a foreign tokenizer.json first in a child process that may die of it.

The package tokenizers is written in Rust: for an odd file it panics, which is no ordinary exception, aborts the
process, or takes all memory. A file is checked once per process (a fifth of a second).
`check_soon` lets that pass beside other work.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path

from so8t_shared.errors import InputError, So8tError
from so8t_shared.interruption import stop_of_process
from so8t_shared.processes import signal_name
from so8t_shared.redaction import environment_without_secrets

CPU_S = 60
MEMORY_BYTES = 8 << 30
"""Address space; the largest vocabularies known take a tenth."""
_WALL = 4
"""It may take this many times its processor time on a busy machine."""


def check_tokenizer(path: Path, memory_bytes: int = MEMORY_BYTES) -> None:
    """Check that tokenizers can load the file, and encode a text with it.

    Raises:
        InputError: it cannot.
        Interrupted: a signal asked this process to stop meanwhile.
    """
    stat = path.stat()
    with _CHECKING:
        _check(path, memory_bytes, stat.st_mtime_ns, stat.st_size)


def check_soon(path: Path) -> None:
    """Check the file meanwhile, if there is one; `check_tokenizer` then waits for it, and tells what is wrong."""

    def check() -> None:
        with suppress(So8tError, OSError):
            check_tokenizer(path)

    if path.is_file():
        threading.Thread(target=check, daemon=True).start()


_CHECKING = threading.Lock()


@cache
def _check(path: Path, memory_bytes: int, *_: int) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "so8t_shared.models.tokenizer_child", str(os.getpid()), str(memory_bytes), str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment_without_secrets(),
    )
    stop = stop_of_process()
    with child, stop.doing(child.kill):
        if stop.is_set:
            child.kill()
        try:
            told = child.communicate(timeout=CPU_S * _WALL)[0].decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            child.kill()
            told = ""
    if child.returncode:
        stop.check()
        raise unloadable(told or f"its library ended with {signal_name(child.returncode) or child.returncode}", path)


def unloadable(why: str, path: Path) -> InputError:
    """The error for tokenizer files that cannot be used."""
    return InputError(
        f"The model's tokenizer cannot be loaded: {' '.join(why.splitlines()[:1])}",
        where=str(path.parent),
        remedy="copy the tokenizer files from the original model",
    )
