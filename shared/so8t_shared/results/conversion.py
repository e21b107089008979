"""JSON files that convert-a and convert-b write next to the GGUF files."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from so8t_shared.documents import Document, Part
from so8t_shared.results.sides import Side
from so8t_shared.tables.quantizations import Quantization

ConvertStage = Literal["convert-a", "convert-b"]

CONVERTED_BY: dict[Side, ConvertStage] = {"a": "convert-a", "b": "convert-b"}
"""The stage that converts each model."""


SERVED_FILE = "model_b_served.json"
"""Only for a model B that an Ollama server had before."""
VOCABULARY_FILE = "model_b_vocabulary.gguf"
"""Beside it: its tokenizer, and weights of nothing."""


class Served(Document):
    """model_b_served.json of convert-b: a model that an Ollama server had before, as the server describes it."""

    schema_version: Literal[1] = 1
    name: str = Field(description="With its tag.")
    digest: str = Field(description="Under which the server lists it.")
    size_bytes: int
    quantization: Quantization
    system: str = Field(description="Its system text there, which the test's replaces.")
    parameters: str = Field(description="Its parameters there; only its stop texts count, the test sends all others.")


class ChatInfo(Document):
    """chat.json of convert-a and convert-b: what an engine needs to chat with the model."""

    schema_version: Literal[1] = 1
    architecture: str
    chat_template: str | None
    bos_token: str
    eos_token: str
    stop_tokens: list[str] = Field(description="Texts that end an answer, eos_token first.")
    markers: list[str] = Field(description="Control-token texts that are neutralized in user text.")
    context_length: int
    parameters: int
    layers: int
    so8t: dict[str, str | int | float] = Field(
        description="The folded gates: number, layers, rotation, largest angle; empty without gates."
    )


class GgufFile(Part):
    """One converted file (in conversion.json)."""

    file: str
    quantization: Quantization
    size_bytes: int
    sha256: str
    tensor_types: dict[str, int] = Field(description="GGML type name to number of tensors.")


class ConversionResult(Document):
    """conversion.json of convert-a and convert-b."""

    schema_version: Literal[1] = 1
    files: list[GgufFile]
    seconds: float
