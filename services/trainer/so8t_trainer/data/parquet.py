"""Rows of Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from so8t_shared.errors import InputError
from so8t_shared.foreign import parse_json
from so8t_trainer.data.class_labels import with_class_names

if TYPE_CHECKING:
    import pyarrow

_FEATURES = b"huggingface"
"""The schema metadata key under which the `datasets` package stores column types."""


def read_parquet(path: Path, data: bytes) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield all rows of a file with their locations; `data` holds its bytes.

    Raises:
        InputError: the file is not valid Parquet.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        rows = _rows(parquet.read_table(pyarrow.BufferReader(data)))
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _no_parquet(path, error) from error
    yield from ((raw, f"{path}, row {number}") for number, raw in enumerate(rows, start=1))


def read_parquet_head(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the first row of a file, if any, without reading the others.

    Raises:
        InputError: the file is not valid Parquet.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        first = next(parquet.ParquetFile(path).iter_batches(batch_size=1), None)
        rows = [] if first is None else _rows(first)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _no_parquet(path, error) from error
    yield from ((raw, f"{path}, row 1") for raw in rows)


def _rows(table: pyarrow.Table | pyarrow.RecordBatch) -> list[dict[str, Any]]:
    features = _features(table.schema.metadata or {})
    return [with_class_names(raw, features) for raw in table.to_pylist()]


def _features(metadata: Mapping[bytes, bytes]) -> Mapping[str, Any]:
    """Return the column types stored by the `datasets` package; empty for other files."""
    try:
        features = parse_json(metadata[_FEATURES])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    return features if isinstance(features, Mapping) else {}


def _no_parquet(path: Path, error: Exception) -> InputError:
    return InputError(
        f"The file is not valid Parquet: {str(error).splitlines()[0]}",
        where=str(path),
        remedy="download or write the file again",
    )
