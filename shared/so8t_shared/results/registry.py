"""registry.json: the names under which an engine finds the models."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from so8t_shared.documents import Document, Part
from so8t_shared.results.conversion import ConvertStage
from so8t_shared.results.sides import Side
from so8t_shared.tables.quantizations import Quantization

REGISTRY_FILE = "registry.json"
MODELFILES = "modelfiles/"
"""Folder of the Modelfiles in the import stage's output."""


class ImportedModel(Part):
    """One model an engine can load (in registry.json)."""

    model: Side
    quantization: Quantization
    name: str = Field(description="Name with tag, for example borea-phi35-so8t-base:q4_k_m.")
    stage: ConvertStage
    file: str
    sha256: str
    size_bytes: int
    modelfile: str = Field(
        description="Path of the Modelfile inside the artifact; empty for a model that the server had before."
    )
    aliases: list[str] = Field(
        default_factory=list, description="Other names; the primary quantization has the bare model name."
    )
    server_digest: str | None = Field(None, description="Digest under which Ollama lists the model.")

    @property
    def served(self) -> bool:
        """Whether the server had it before."""
        return not self.modelfile


class Registry(Document):
    """registry.json of the import stage."""

    schema_version: Literal[1] = 1
    engine: str
    server_version: str | None = Field(None, description="Version of the Ollama server that imported the models.")
    models: list[ImportedModel]
