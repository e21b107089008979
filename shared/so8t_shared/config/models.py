"""The models of a test: A, and what B is made from."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pydantic import Field, model_validator

from so8t_shared.config.drives import HostPath
from so8t_shared.config.layers import ALL, Layers
from so8t_shared.config.section import Section
from so8t_shared.config.values import Rotation, ServedName
from so8t_shared.tables import engines


class So8tFormat(Section):
    """How to read the gates stored in a foreign SO8T checkpoint."""

    rotation: Rotation = Field(
        "cayley",
        description="Rotation of the stored theta.",
    )
    layers: Layers = Field(ALL, description="Layers with gates, as in training.so8t.layers.")


class Model(Section):
    """A Hugging Face checkpoint on disk."""

    base_model: HostPath = Field(description="Hugging Face folder (config.json, safetensors, tokenizer).")
    description: str = Field("", description="Text for the report.")
    so8t: So8tFormat = Field(So8tFormat(), description="Only for a checkpoint that already has SO8T gates.")


class ModelB(Section):
    """The checkpoint that retraining starts from."""

    base_model: HostPath | None = Field(
        None,
        description="Folder to retrain, without SO8T gates; by default model A's.",
    )
    gguf: HostPath | None = Field(
        None, description="GGUF file to test as it is, instead of training one; gguf.quantizations names its own alone."
    )
    ollama: ServedName | None = Field(
        None,
        description="Model on the Ollama server to test as it is, by its template; gguf.quantizations names its own.",
    )
    description: str = Field("", description="Text for the report.")

    @model_validator(mode="after")
    def _is_one_or_other(self) -> ModelB:
        given = [key for key in ("base_model", "gguf", "ollama") if getattr(self, key) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} name different models; keep one")
        return self

    @property
    def external(self) -> str:
        """Key of a model that is tested as it is; empty if one is trained."""
        return "model_b.gguf" if self.gguf else "model_b.ollama" if self.ollama else ""

    def faults(self, quantizations: Sequence[str], engine: engines.Row, taken: Collection[str]) -> list[str]:
        """Say why a model that is tested as it is does not fit; `taken` are the names that the import of A takes."""
        found = []
        if self.external and len(quantizations) > 1:
            made = ", ".join(quantizations)
            found.append(f"gguf.quantizations is {made}, but {self.external} has only one; name its own alone")
        if self.ollama and engine.in_process:
            found.append(
                f"ab_test.engine is {engine.name}, but model_b.ollama is asked on its server, and two engines would"
                " differ by more than the models; set ab_test.engine to ollama"
            )
        if self.ollama in taken:
            found.append(f"importing model A would replace {self.ollama}; choose another ollama.model_a_name")
        return found
