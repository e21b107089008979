"""The types of GGUF files, against the gguf package."""

from __future__ import annotations

import gguf

from so8t_shared.tables import quantizations
from so8t_shared.tables.ggml_types import BY_NUMBER, FILE_TYPES


def test_every_tensor_type() -> None:
    """Number, name and block match the package, and none is missing."""
    theirs = {int(kind): (kind.name, *map(int, block)) for kind, block in gguf.GGML_QUANT_SIZES.items()}
    assert {number: (row.name, row.values, row.size_bytes) for number, row in BY_NUMBER.items()} == theirs


def test_every_file_type() -> None:
    """The names that people use, without the package's prefixes; ours are among them."""
    theirs = {int(kind): kind.name.removeprefix("MOSTLY_").removeprefix("ALL_") for kind in gguf.LlamaFileType}
    del theirs[int(gguf.LlamaFileType.GUESSED)]
    assert theirs == FILE_TYPES
    assert {row.file_type: row.name.upper() for row in quantizations.ROWS}.items() <= FILE_TYPES.items()
