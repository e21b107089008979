"""Reads a YAML file of keys; every fault of its syntax has its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from so8t_shared.config.drives import BACKSLASHES
from so8t_shared.errors import ConfigError
from so8t_shared.foreign import UnparsableError
from so8t_shared.foreign_yaml import parse_yaml


def read_yaml(path: Path, what: str) -> Any:
    """Return the file's value.

    Raises:
        ConfigError: the file is missing or not valid YAML, or a key is there twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"The {what} does not exist.", where=str(path), remedy="correct the path") from error
    except IsADirectoryError as error:
        remedy = "name a file in it"
        raise ConfigError(f"This is a folder, not the {what}.", where=str(path), remedy=remedy) from error
    except (OSError, ValueError) as error:  # a path with a zero byte is a ValueError, as is text that is not UTF-8
        raise ConfigError(
            f"The {what} cannot be read: {error}.",
            where=str(path),
            remedy="save it as UTF-8, and check its permissions",
        ) from error
    try:
        return parse_yaml(text)
    except UnparsableError as error:
        remedy = f"correct that line; {BACKSLASHES}" if "escape" in error.why else "correct that line"
        raise ConfigError(f"This is not valid YAML: {error.why}.", where=error.place(path), remedy=remedy) from error


def read_keys(path: Path, what: str) -> dict[str, Any]:
    """Return the file's keys and values; none if it is empty.

    Raises:
        ConfigError: as `read_yaml`, or the file holds another value.
    """
    raw = read_yaml(path, what)
    if raw is None:
        raw = {}
    if not isinstance(raw, dict):
        raise ConfigError(
            f"The {what} contains only a value of type {type(raw).__name__}, not keys and values.",
            where=str(path),
            remedy="write 'key: value' lines, as 'so8t-ab init' does",
        )
    return raw
