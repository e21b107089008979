"""Small disks that are full or read-only, also for root: mounts in a namespace of a child process."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest


@functools.cache
def _refusal() -> str:
    if shutil.which("unshare") is None:
        return "util-linux's 'unshare' is not installed"
    done = subprocess.run(["unshare", "-rm", "true"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"'unshare -rm' is not permitted here: {done.stderr.strip()}"


def run_on_small_disk(folder: Path, code: str, *, size: str = "1m") -> str:
    """Run Python `code` with a fresh disk of `size` mounted at `folder`; what it printed.

    `folder` is the name of that place in the code.
    """
    return _run(f"mount -t tmpfs -o size={size} tmpfs '{folder}'", folder, code)


def run_read_only(folder: Path, code: str) -> str:
    """Run Python `code` while nothing below `folder` can be written; what it printed."""
    return _run(f"mount --bind '{folder}' '{folder}' && mount -o remount,ro,bind '{folder}'", folder, code)


def _run(mount: str, folder: Path, code: str) -> str:
    if _refusal():
        pytest.skip(f"CANNOT BE TESTED HERE: a full or read-only disk: {_refusal()}")
    program = f"from pathlib import Path\nfolder = Path({str(folder)!r})\n{textwrap.dedent(code)}"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", f'{mount} && exec "$0" -c "$1"', sys.executable, program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
