"""Print the third-party requirements of all packages here and of development, one a line.

The Makefile installs them, under the constraints file, once per machine; the packages of this
repository are then installed beside them, once per clone.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("shared", "services/converter", "services/trainer", "services/evaluator", "services/reporter", "demo")


def third_party() -> list[str]:
    """Requirements as the pyproject files name them, sorted, our own packages left out."""
    found = set(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]["dev"])
    for package in PACKAGES:
        project = tomllib.loads((ROOT / package / "pyproject.toml").read_text("utf-8"))["project"]
        found |= set(project["dependencies"])
    return sorted(name for name in found if not name.startswith("so8t-"))


if __name__ == "__main__":
    print("\n".join(third_party()))
