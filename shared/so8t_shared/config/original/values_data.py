"""Which rows an original file trains and validates on."""

from __future__ import annotations

import re
from pathlib import Path, PureWindowsPath

from so8t_shared.config.original.row import NoEffectError, OriginalFile
from so8t_shared.config.original.values import words

VALIDATION_KEYS = ("data.val_data", "data.validation_data", "data.eval_data")


_VALIDATION_NAME = re.compile(r"(?:^|[-._ 0-9])(?:validation|valid|val|dev)(?=[-._ 0-9]|$)", re.IGNORECASE)


def rows(file: OriginalFile, key: str) -> list[str]:
    """The files of rows, with those to validate on if their names say so, which is how they are told apart."""
    train = words(file.get("data.train_data", []))
    if not train:
        raise NoEffectError("data.train_data is not given")
    held = [path for name in VALIDATION_KEYS for path in words(file.get(name, []))]
    named = [path for path in held if _VALIDATION_NAME.search(PureWindowsPath(path).name)]
    if key in VALIDATION_KEYS and not set(words(file.values[key])) & set(named):
        raise NoEffectError(
            "its name does not say val, so it would be trained on; rows to validate on are drawn by group"
        )
    return [*train, *named]


def newest_rows(file: OriginalFile, key: str) -> list[str]:
    """The newest file of data.train_data_dir that matches data.train_data_pattern, or else the fallback or the folder.

    The original's scripts choose it so, by its time.
    """
    if file.get("data.train_data"):
        raise NoEffectError("data.train_data is given")
    folder, pattern = str(file.get("data.train_data_dir", "")), str(file.get("data.train_data_pattern", ""))
    fallback = file.get("data.fallback_train_data")
    if folder and pattern and (found := _matching(file.here(folder), pattern)):
        newest = max(found, key=lambda path: (path.stat().st_mtime_ns, path.name))
        return [_joined(folder, newest.relative_to(file.here(folder)))]
    if fallback and (not folder or not file.here(folder).exists()) and file.here(str(fallback)).exists():
        return [str(fallback)]
    if not folder and not fallback:
        raise NoEffectError("data.train_data_dir names no folder")
    if key == "data.fallback_train_data" and folder:
        raise NoEffectError("data.train_data_dir is there, or neither is on this host")
    return [folder or str(fallback)]


def _matching(folder: Path, pattern: str) -> list[Path]:
    if "/" in pattern or "\\" in pattern or "**" in pattern:
        raise ValueError(f"{pattern!r} is not a pattern of file names, such as rows_*.jsonl")
    return [path for path in folder.glob(pattern) if path.is_file()]


def _joined(folder: str, below: Path) -> str:
    return "/".join([folder.rstrip("/\\"), *below.parts])
