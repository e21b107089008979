"""Reads rows from files, folders and the Hub, with errors that name the file and the line."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from so8t_shared.artifacts.fingerprints import looks_like_hub_name
from so8t_shared.errors import InputError
from so8t_shared.foreign import UnparsableError, parse_json
from so8t_shared.json_files import numbered_lines
from so8t_shared.lfs import refuse_pointer
from so8t_trainer.data.hub import read_hub
from so8t_trainer.data.parquet import read_parquet, read_parquet_head
from so8t_trainer.data.rows import Row, parse_row
from so8t_trainer.data.sides import sides, with_side

Located = tuple[object, str]
"""A row and its location."""

_HEAD_BYTES = 1 << 20


@dataclass(frozen=True)
class SourceRows:
    """All rows of one configured path."""

    path: str
    folder: Path | None
    """The folder that may hold a dataset_card.yaml; None for a Hub data set."""
    rows: list[Row]

    @property
    def schema(self) -> str:
        """The detected shape, or several with their counts."""
        counts = Counter(row.schema for row in self.rows)
        if len(counts) == 1:
            return next(iter(counts))
        return ", ".join(f"{name} ({count})" for name, count in counts.most_common())


def read_source(path: str, form: str = "auto") -> SourceRows:
    """Read a file, a folder (all data files in it, sorted) or a Hub data set.

    Raises:
        InputError: the path does not exist, a file cannot be read, or there are no rows.
    """
    local = Path(path)
    if local.is_dir():
        located = list(_read_folder(local, form))
    elif local.is_file():
        located = list(read_file(local, form))
    elif form == "hub" or (form == "auto" and looks_like_hub_name(path)):
        located = list(read_hub(path))
    else:
        raise InputError("The data set does not exist.", where=path, remedy="correct the path in dataset.paths")
    rows = [parse_row(raw, where) for raw, where in located]
    if not rows:
        raise InputError("The data set is empty.", where=path, remedy=f"add rows as {', '.join(_READERS)}")
    folder = None if not local.exists() else local if local.is_dir() else local.parent
    return SourceRows(path, folder, rows)


def _read_folder(folder: Path, form: str) -> Iterator[Located]:
    """Yield the records of all its files; records of a file named `test` stay held out."""
    files = data_files(folder, form)
    names = [file.relative_to(folder).as_posix() for file in files]
    for file, side in zip(files, sides(names), strict=True):
        yield from ((with_side(raw, side), where) for raw, where in read_file(file, form))


def read_file(path: Path, form: str = "auto") -> Iterator[Located]:
    """Yield the records of one file; `form` overrides the file's extension.

    Raises:
        InputError: unknown extension, a Git LFS pointer, bytes that are not UTF-8, or broken syntax.
    """
    kind = _kind(path, form)
    return _READERS[kind](path, _bytes(path))


def read_head(path: Path, form: str = "auto") -> Iterator[Located]:
    """Yield the first rows of a large file without reading all of it; none for a JSON list, which is one value.

    Raises:
        InputError: as `read_file`.
    """
    kind = _kind(path, form)
    if kind == "parquet":
        return read_parquet_head(path)
    return iter(()) if kind == "json" else _READERS[kind](path, _bytes(path, _HEAD_BYTES))


def _kind(path: Path, form: str) -> str:
    kind = path.suffix.lower().lstrip(".") if form in {"auto", "hub"} else form
    if kind not in _READERS:
        raise InputError(
            f"The file extension {path.suffix!r} is unknown.",
            where=str(path),
            remedy=f"set dataset.format to one of {', '.join(_READERS)}",
        )
    return kind


def _bytes(path: Path, most: int = -1) -> bytes:
    """Return the bytes of a file; with `most`, at most that many, up to the last line break."""
    try:
        with path.open("rb") as file:
            data = file.read(most)
    except OSError as error:
        raise InputError(
            f"The file cannot be read: {error.strerror}.", where=str(path), remedy="check its permissions"
        ) from error
    refuse_pointer(path)
    return data[: data.rfind(b"\n") + 1] if len(data) == most else data


def data_files(folder: Path, form: str) -> list[Path]:
    """Return all data files under a folder, sorted.

    Raises:
        InputError: there are none.
    """
    endings = {f".{name}" for name in (_READERS if form == "auto" else [form])}
    files = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in endings and path.is_file()]
    if not files:
        raise InputError(
            f"The folder has no data files ({', '.join(sorted(endings))}).",
            where=str(folder),
            remedy="correct the path, or set dataset.format",
        )
    return files


def _read_jsonl(path: Path, data: bytes) -> Iterator[Located]:
    for number, line in numbered_lines(_decoded(path, data)):
        try:
            yield parse_json(line), f"{path}:{number}"
        except ValueError as error:
            raise InputError(
                f"The line is not valid JSON: {error}.",
                where=f"{path}:{number}",
                remedy="correct or remove the line; each line must be one JSON object",
            ) from error


def _read_json(path: Path, data: bytes) -> Iterator[Located]:
    """Read a list of rows, or an object with such a list under `data` or `rows`."""
    try:
        value = parse_json(_decoded(path, data) or "[]")
    except UnparsableError as error:
        raise InputError(
            f"The file is not valid JSON: {error.why}.",
            where=f"{path}:{error.line or 1}",
            remedy="correct it there (one object per line is JSONL: name the file .jsonl)",
        ) from error
    if isinstance(value, dict):
        value = next((value[key] for key in ("data", "rows") if isinstance(value.get(key), list)), value)
    if not isinstance(value, list):
        raise InputError(
            "The file must hold a list of rows.", where=str(path), remedy="write [{...}, {...}], or use JSONL"
        )
    yield from ((raw, f"{path}, row {number}") for number, raw in enumerate(value, start=1))


def _read_csv(path: Path, data: bytes) -> Iterator[Located]:
    reader = csv.DictReader(io.StringIO(_decoded(path, data), newline=""), strict=True)
    try:
        for raw in reader:
            where = f"{path}:{reader.line_num}"
            if None in raw or None in raw.values():
                raise InputError(
                    f"The line does not have the {len(reader.fieldnames or [])} fields of the header.",
                    where=where,
                    remedy="quote fields that contain commas or line breaks",
                )
            yield raw, where
    except csv.Error as error:
        raise InputError(
            f"The line is not valid CSV: {error}.", where=f"{path}:{reader.line_num}", remedy="correct the line"
        ) from error


_READERS: dict[str, Callable[[Path, bytes], Iterator[Located]]] = {
    "json": _read_json,
    "jsonl": _read_jsonl,
    "csv": _read_csv,
    "parquet": read_parquet,
}


def _decoded(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"Byte 0x{data[error.start]:02x} at offset {error.start} is not UTF-8.",
            where=f"{path}:{line}",
            remedy="save the file as UTF-8",
        ) from error
