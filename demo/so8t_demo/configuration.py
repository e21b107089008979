"""The demo's configuration, adapted to a folder that the user chose."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path

from so8t_shared.files import write_atomically

FILE = "demo.yaml"
FOLDER = "demo-run"
"""The folder named in the shipped configuration."""


def write_configuration(folder: Path) -> Path:
    """Write the shipped configuration to `folder`, with paths under that folder, and return the file's path.

    Raises:
        StorageError: the disk is full, read-only, or not writable by this user.
    """
    text = resources.files("so8t_demo").joinpath(FILE).read_text(encoding="utf-8")
    target = folder / FILE
    write_atomically(target, configuration(text, folder).encode())
    return target


def configuration(text: str, folder: Path) -> str:
    """Return the shipped text with `folder` instead of its default folder."""
    if folder == Path(FOLDER):
        return text
    return re.sub(
        rf"(?<=[ \[]){FOLDER}/([\w./-]+)", lambda found: json.dumps(str(folder / found[1]), ensure_ascii=False), text
    )
