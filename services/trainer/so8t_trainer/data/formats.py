"""Records of one file: JSON, JSONL, CSV with commas, semicolons or tabs, Parquet."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from so8t_shared.errors import InputError
from so8t_shared.foreign import UnparsableError, parse_json
from so8t_shared.json_files import numbered_lines
from so8t_shared.lfs import refuse_pointer
from so8t_trainer.data.decoding import decode
from so8t_trainer.data.parquet import read_parquet, read_parquet_head

Located = tuple[object, str]
"""A row, or the error why it cannot be read, and its location."""

_HEAD_BYTES = 1 << 20


def read_file(
    path: Path, form: str = "auto", encoding: str = "auto", encodings: Counter[str] | None = None
) -> Iterator[Located]:
    """Yield the records of one file; `form` overrides the file's extension. `encodings` counts a text file's.

    Raises:
        InputError: unknown extension, a Git LFS pointer, an encoding that cannot be told, or broken syntax.
    """
    kind, data = _kind(path, form), _bytes(path)
    if kind == "parquet":
        return read_parquet(path, data)
    decoded = decode(path, data, encoding)
    if encodings is not None:
        encodings[decoded.encoding] += 1
    return FORMATS[kind](path, decoded.text)


def read_or_fault(
    path: Path, form: str = "auto", encoding: str = "auto", encodings: Counter[str] | None = None
) -> Iterator[Located]:
    """Yield the records of one file as `read_file` does, and last the error why it cannot be read any further."""
    try:
        yield from read_file(path, form, encoding, encodings)
    except InputError as error:
        yield error, error.where


def read_head(path: Path, form: str = "auto", encoding: str = "auto") -> Iterator[Located]:
    """Yield the first rows of a large file without reading all of it; none for a JSON list, which is one value.

    Raises:
        InputError: as `read_file`.
    """
    kind = _kind(path, form)
    if kind == "parquet":
        return read_parquet_head(path)
    if kind == "json":
        return iter(())
    data = _bytes(path, _HEAD_BYTES)
    return FORMATS[kind](path, decode(path, data, encoding, whole=len(data) < _HEAD_BYTES).text)


def _kind(path: Path, form: str) -> str:
    kind = path.suffix.lower().lstrip(".") if form in {"auto", "hub"} else form
    if kind not in FORMATS:
        raise InputError(
            f"The file extension {path.suffix!r} is unknown.",
            where=str(path),
            remedy=f"set dataset.format to one of {', '.join(FORMATS)}",
        )
    return kind


def _bytes(path: Path, most: int = -1) -> bytes:
    """Return the bytes of a file; with `most`, at most that many."""
    try:
        with path.open("rb") as file:
            data = file.read(most)
    except OSError as error:
        raise InputError(
            f"The file cannot be read: {error.strerror}.", where=str(path), remedy="check its permissions"
        ) from error
    refuse_pointer(path)
    return data


def data_files(folder: Path, form: str) -> list[Path]:
    """Return all data files under a folder, sorted.

    Raises:
        InputError: there are none.
    """
    endings = {f".{name}" for name in (FORMATS if form == "auto" else [form])}
    files = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in endings and path.is_file()]
    if not files:
        raise InputError(
            f"The folder has no data files ({', '.join(sorted(endings))}).",
            where=str(folder),
            remedy="correct the path, or set dataset.format",
        )
    return files


def _read_jsonl(path: Path, text: str) -> Iterator[Located]:
    for number, line in numbered_lines(text):
        where = f"{path}:{number}"
        try:
            yield parse_json(line), where
        except ValueError as error:
            yield _broken(f"The line is not valid JSON: {error}.", where, "each line must be one JSON object"), where


def _read_json(path: Path, text: str) -> Iterator[Located]:
    """Read a list of rows, or an object with such a list under `data` or `rows`."""
    try:
        value = parse_json(text or "[]")
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


def _read_csv(path: Path, text: str) -> Iterator[Located]:
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(path, text), strict=True)
    try:
        for raw in reader:
            where = f"{path}:{reader.line_num}"
            if None in raw or None in raw.values():
                what = f"The line does not have the {len(reader.fieldnames or [])} fields of the header."
                yield InputError(what, where=where, remedy="quote fields that contain delimiters or line breaks"), where
            else:
                yield raw, where
    except csv.Error as error:
        raise InputError(
            f"The line is not valid CSV: {error}.", where=f"{path}:{reader.line_num}", remedy="correct the line"
        ) from error


def _delimiter(path: Path, text: str) -> str:
    """Return what separates the names in the header: a comma, a semicolon or a tab.

    Raises:
        InputError: more than one of them does.
    """
    header = text[: text.find("\n") + 1] or text
    unquoted = "".join(header.split('"')[::2])
    found = [delimiter for delimiter in ",;\t" if delimiter in unquoted]
    if len(found) > 1:
        raise InputError(
            f"The header holds {' and '.join(map(repr, found))}: either could separate the fields.",
            where=f"{path}:1",
            remedy="quote the names of fields that contain one of them",
        )
    return found[0] if found else ","


def _broken(what: str, where: str, rule: str) -> InputError:
    return InputError(what, where=where, remedy=f"correct or remove the line; {rule}")


FORMATS: dict[str, Callable[[Path, str], Iterator[Located]]] = {
    "json": _read_json,
    "jsonl": _read_jsonl,
    "csv": _read_csv,
    "tsv": _read_csv,
    "parquet": lambda path, text: iter(()),
}
"""Reader of each format, by the extension of its files."""
