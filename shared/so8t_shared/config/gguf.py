"""Section gguf: what the models are converted to."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from so8t_shared.config.drives import HostPath
from so8t_shared.config.section import Section
from so8t_shared.config.values import LowerQuantization, OneOrMany, unique
from so8t_shared.tables.quantizations import Quantization

PROMPTS = "prompts"
"""Value of gguf.imatrix that names no file."""


class Gguf(Section):
    """Conversion to GGUF."""

    convert_script: str | None = Field(None, description="Unused; accepted from old files.")
    quantizations: OneOrMany[Annotated[list[LowerQuantization], AfterValidator(unique)]] = Field(
        default=["f16", "q8_0", "q4_k_m"],
        min_length=1,
        description="What to make and test.",
    )
    primary: LowerQuantization | None = Field(
        None,
        description="The one that ships: headline, bare model name; by default the last.",
    )
    imatrix: HostPath | None = Field(
        None,
        description="Importance matrix (llama.cpp's), a text (.txt) to measure one on, or prompts (training's).",
    )

    @model_validator(mode="after")
    def _primary_is_made(self) -> Gguf:
        if self.primary is not None and self.primary not in self.quantizations:
            raise ValueError(f"primary is {self.primary}, which is not in quantizations; add it or choose another")
        return self

    @property
    def primary_quantization(self) -> Quantization:
        """The quantization that the bare model name refers to."""
        return self.primary or self.quantizations[-1]
