"""Paths of another system: a drive of Windows stands below `inputs_root` on a host that has no drives.

`D:/rows` is read from <inputs_root>/rows, or from <inputs_root>/D/rows (or d, as WSL mounts it) where that folder
exists; a share //server/rows/x is read from <inputs_root>/x. On Windows every path stays as it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Annotated, Any, get_args

from pydantic import AfterValidator
from pydantic.fields import FieldInfo

from so8t_shared.errors import ConfigError

INPUTS_ROOT = "inputs_root"
VARIABLE = "SO8T_INPUTS_ROOT"

_WSL_MOUNTS = Path("/mnt")

_MARK = "path on the host"
_LONGEST_NAME, _LONGEST_PATH = 255, 4095
"""Bytes, on Linux and macOS; the system raises for longer ones wherever they are looked up."""

BACKSLASHES = "write paths with / or in single quotes: in double quotes YAML reads \\n, \\t and others as one character"
_FROM_ESCAPE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def _nameable(path: str) -> str:
    r"""Reject what "D:\new" in double quotes becomes, a path with a line break, and what is too long for a path."""
    if _FROM_ESCAPE.search(path):
        raise ValueError(f"the path holds a control character; {BACKSLASHES}")
    if any(len(name.encode("utf-8", "replace")) > _LONGEST_NAME for name in re.split(r"[/\\]", path)):
        raise ValueError(f"no path: it has a name of more than {_LONGEST_NAME} bytes")
    if len(path.encode("utf-8", "replace")) > _LONGEST_PATH:
        raise ValueError(f"no path: it has more than {_LONGEST_PATH} bytes")
    return path


HostPath = Annotated[str, _MARK, AfterValidator(_nameable)]
"""A key's text that names a file or folder on the host."""

WINDOWS = os.name == "nt"


def holds_paths(info: FieldInfo) -> bool:
    """Whether a key's value is a path on the host, or a list of such paths."""
    return _MARK in info.metadata or _marked(info.annotation)


def _marked(annotation: Any) -> bool:
    return _MARK in getattr(annotation, "__metadata__", ()) or any(map(_marked, get_args(annotation)))


def here(path: str, root: str | None, *, windows: bool = WINDOWS) -> str:
    r"""Return the path under which this host has `path`: below `root` for a drive's, with / instead of \ for others.

    A drive's path without `root`, and any path on Windows, is returned unchanged.

    Raises:
        ConfigError: the path exists twice below `root`.
    """
    if windows:
        return path
    parts = PureWindowsPath(path)
    if not parts.drive:
        return path if "\\" not in path or os.path.exists(path) else parts.as_posix()  # noqa: PTH110 - Path.exists raises for long names
    if not root:
        return path
    rest = [part for part in parts.parts if part != parts.anchor]
    found = [folder.joinpath(*rest) for folder in _stand_ins(Path(root), parts.drive)]
    present = [place for place in found if os.path.exists(place)]  # noqa: PTH110 - as above
    if len(present) > 1:
        raise ConfigError(
            f"{path} is in two places below inputs_root.",
            where=" and ".join(map(str, present)),
            remedy="remove or rename one of them, or set the path itself",
        )
    return str([*present, *found][0])


def _stand_ins(root: Path, drive: str) -> Iterator[Path]:
    """The folders that may stand for a drive, the likeliest first."""
    letter = drive.rstrip(":")
    if len(letter) == 1:
        there = os.path.isdir(root)  # noqa: PTH112 - as above
        found = sorted(root.iterdir()) if there else []  # a disk that ignores case has only one of D and d
        yield from (folder for folder in found if folder.name.upper() == letter.upper() and folder.is_dir())
    yield root


def is_elsewhere(path: str | None, *, windows: bool = WINDOWS) -> bool:
    """Whether the path is on a drive or share that this host cannot have."""
    return bool(path) and not windows and bool(PureWindowsPath(str(path)).drive)


def explained(path: str, mounts: Path = _WSL_MOUNTS) -> str:
    """Why this host cannot have a drive's path, and what to do; WSL has the drives below `mounts`."""
    drive = PureWindowsPath(path).drive
    mounted = len(drive) == 2 and (mounts / drive[0].lower()).is_dir()
    where = f"{mounts}, where WSL has it" if mounted else "the folder that holds its files"
    return f"this host has no {drive}; set inputs_root (for containers SO8T_INPUTS) to {where}"


def demand_here(**paths: str) -> None:
    """Check that the folders to write to, by key, can be on this host.

    Raises:
        ConfigError: some are on a drive that this host cannot have, and do not exist under that very name.
    """
    wrong = {key: path for key, path in paths.items() if is_elsewhere(path) and not Path(path).exists()}
    if wrong:
        drives = ", ".join(dict.fromkeys(PureWindowsPath(path).drive for path in wrong.values()))
        raise ConfigError(
            f"This host has no {drives}.",
            where=", ".join(f"{key} = {path}" for key, path in wrong.items()),
            remedy=f"set inputs_root (or {VARIABLE}) to the folder that holds its files, or set these keys",
        )


def without_root(path: str, root: str | None) -> str:
    """Return a path as all hosts name it: without its drive, or without `root` and the drive's folder below it."""
    parts = PureWindowsPath(path)
    if parts.drive:
        return f"{INPUTS_ROOT}/{'/'.join(part for part in parts.parts if part != parts.anchor)}"
    if not root or not Path(path).is_relative_to(root):
        return path.replace("\\", "/")
    below = list(Path(path).relative_to(root).parts)
    return "/".join([INPUTS_ROOT, *(below[1:] if below and len(below[0]) == 1 else below)])
