"""Debian's packages for the tests."""

from __future__ import annotations

import os
import subprocess


def install(*packages: str) -> str:
    """Install packages with apt; return why that failed, empty if it did not."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    options = ["--yes", "--quiet", "--no-install-recommends"]
    for command in (["apt-get", "update", "--quiet"], ["apt-get", "install", *options, *packages]):
        try:
            done = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False)
        except OSError as error:
            return f"{command[0]}: {error.strerror}"
        if done.returncode:
            return f"{' '.join(command)} failed:\n{done.stderr[-2000:]}"
    return ""
