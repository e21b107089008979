"""The models of a test: A, and what B is made from."""

from __future__ import annotations

from pydantic import Field, model_validator

from so8t_shared.config.drives import HostPath
from so8t_shared.config.layers import ALL, Layers
from so8t_shared.config.section import Section
from so8t_shared.config.values import Rotation


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
    description: str = Field("", description="Text for the report.")

    @model_validator(mode="after")
    def _is_one_or_other(self) -> ModelB:
        if self.base_model is not None and self.gguf is not None:
            raise ValueError("base_model is retrained, gguf is tested as it is; remove one of the two")
        return self
