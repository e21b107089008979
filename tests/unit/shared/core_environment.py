"""A Python that sees this project and what its core requires, and no package of an extra."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

from tools.lock import LOCK, packages

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ("shared", "services/converter", "services/trainer", "services/evaluator", "services/reporter", "demo")


def make_core_environment(folder: Path) -> dict[str, str]:
    """Link the core's packages into `folder`; the environment in which `python -S` finds them and ours."""
    for name, (_, extras) in packages(LOCK.read_text("utf-8")).items():
        if "core" in extras:
            _link(name, folder)
    [information] = Path(sysconfig.get_path("purelib")).glob("so8t_ab-*.dist-info")
    (folder / information.name).symlink_to(information)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *(str(ROOT / path) for path in SOURCES)])}


def _link(name: str, folder: Path) -> None:
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return  # of another platform
    for top in {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}:
        if not (folder / top).exists():
            (folder / top).symlink_to(Path(str(distribution.locate_file(top))))


def run_python(environ: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    """`python -S` with these arguments, to its end."""
    command = [sys.executable, "-S", *map(str, arguments)]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=100, check=False)
