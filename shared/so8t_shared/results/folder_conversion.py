"""What `so8t-ab convert --json` prints."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from so8t_shared.documents import Document, Part
from so8t_shared.tables.quantizations import Quantization


class WrittenGguf(Part):
    """One of its files."""

    path: str
    bytes: int
    sha256: str
    quantization: Quantization
    tensors: dict[str, int] = Field(description="GGML type name to number of tensors.")


class FolderConversion(Document):
    """A folder that was converted."""

    schema_version: Literal[1] = 1
    architecture: str
    parameters: int
    so8t: dict[str, str | int | float] = Field(description="The folded gates, as in chat.json; empty without gates.")
    files: list[WrittenGguf]
    seconds: float
