"""Reading the small files of a model folder, with errors that say what is wrong and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from so8t_shared.errors import InputError

_POINTER = b"version https://git-lfs"


def refuse_pointer(path: Path) -> None:
    """Refuse a Git LFS pointer, the few lines of text that stand where a large file should be.

    Raises:
        InputError: `path` is a pointer.
    """
    with path.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            raise InputError(
                f"{path.name} is a Git LFS pointer, not the file itself.",
                where=str(path),
                remedy="run `git lfs pull` in the model's folder, or download the file",
            )


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`.

    Raises:
        InputError: the file is missing, a Git LFS pointer, not UTF-8, not JSON or not an object.
    """
    if not path.is_file():
        raise InputError(
            f"The model folder has no {path.name}.",
            where=str(path),
            remedy="point base_model at a complete Hugging Face checkpoint folder",
        )
    refuse_pointer(path)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path.name} is not UTF-8 text (byte {error.start}).",
            where=str(path),
            remedy="save it as UTF-8, or download it again",
        ) from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path.name} is not valid JSON: {error.msg}.",
            where=f"{path}, line {error.lineno}, column {error.colno}",
            remedy="correct the line, or download the file again",
        ) from error
    if not isinstance(value, dict):
        raise InputError(
            f"{path.name} holds a {type(value).__name__} where an object is needed.",
            where=str(path),
            remedy="download the file again",
        )
    return value


def read_json_if_there(path: Path) -> dict[str, Any]:
    """The JSON object in `path`, or an empty one where there is no such file."""
    return read_json(path) if path.is_file() else {}
