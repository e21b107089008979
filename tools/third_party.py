"""Print third-party requirements, one a line: of the packages named, or of all and of development.

The Makefile installs them, under the constraints file, once per machine; the packages of this
repository are then installed beside them, once per clone. An image installs those of its own
packages: `third_party.py shared services/reporter`.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("shared", "services/converter", "services/trainer", "services/evaluator", "services/reporter", "demo")


def third_party(packages: Sequence[str] = ()) -> list[str]:
    """Requirements as the pyproject files name them, sorted, our own packages left out."""
    found = set() if packages else set(_read("pyproject.toml")["dependency-groups"]["dev"])
    for package in packages or PACKAGES:
        found |= set(_read(f"{package}/pyproject.toml")["project"]["dependencies"])
    return sorted(name for name in found if not name.startswith("so8t-"))


def _read(path: str) -> dict[str, dict[str, list[str]]]:
    return tomllib.loads((ROOT / path).read_text("utf-8"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print third-party requirements, one a line.")
    parser.add_argument(
        "packages", nargs="*", help=f"of these alone: {', '.join(PACKAGES)}; none: all, and development's"
    )
    chosen = parser.parse_args().packages
    if unknown := sorted(set(chosen) - set(PACKAGES)):
        parser.error(f"there is no package {', '.join(unknown)}; known are {', '.join(PACKAGES)}")
    print("\n".join(third_party(chosen)))
