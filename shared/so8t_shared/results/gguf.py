"""What `so8t-ab gguf info --json` and `gguf diff --json` print."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from so8t_shared.documents import Document, Part

Single = bool | int | float | str


class MetadataValue(Part):
    """One value of the metadata."""

    type: str = Field(description="Of an array: the type of its elements.")
    count: int | None = Field(description="Elements of an array; null for any other value.")
    value: Single | list[Single] = Field(description="Of an array, the first elements; NaN and infinity are texts.")


class GgufTensor(Part):
    """One tensor."""

    name: str
    type: str
    shape: list[int] = Field(description="As in llama.cpp: the length of a row comes first.")
    bytes: int


class TypeTotal(Part):
    """All tensors of one type."""

    tensors: int
    bytes: int


class GgufInfo(Document):
    """One GGUF file."""

    schema_version: Literal[1] = 1
    path: str
    version: int
    bytes: int
    architecture: str | None
    file_type: str | None
    parameters: int
    metadata: dict[str, MetadataValue] = Field(description="Keys of SO8T first, then in the file's order.")
    types: dict[str, TypeTotal]
    tensors: list[GgufTensor] | None = Field(description="null without --tensors.")


class KeyDifference(Part):
    """A key of the metadata that is not in both files, or has other bytes or another type."""

    key: str
    a: MetadataValue | None
    b: MetadataValue | None


class TensorDifference(Part):
    """A tensor that is not in both files, or differs."""

    name: str
    a: GgufTensor | None
    b: GgufTensor | None
    blocks: int | None = Field(None, description="Blocks of the type; null unless type and shape are the same.")
    blocks_differing: int | None = None
    largest_difference: float | None = Field(
        None, description="Between two weights; null if the shapes differ, or if it cannot be computed or is infinite."
    )


class GgufDiff(Document):
    """How two GGUF files differ; their order of keys and tensors does not count."""

    schema_version: Literal[1] = 1
    a: str
    b: str
    equal: bool
    keys_equal: int
    tensors_equal: int
    keys: list[KeyDifference]
    tensors: list[TensorDifference]
