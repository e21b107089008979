"""The models of a test: A, and what B is made from."""

from __future__ import annotations

from pydantic import Field

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
        None, description="A GGUF file to test as it is; needs training.max_steps: 0 and one of gguf.quantizations."
    )
    description: str = Field("", description="Text for the report.")
