"""Section gguf: what the models are converted to."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from so8t_shared.config.alternatives import Alternative, AlternativeName, alternative_faults, alternatives_of
from so8t_shared.config.drives import HostPath
from so8t_shared.config.section import Section
from so8t_shared.config.values import LowerQuantization, OneOrMany, lower, unique
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
    alternatives: OneOrMany[
        Annotated[list[Annotated[AlternativeName, BeforeValidator(lower)]], AfterValidator(unique)]
    ] = Field(
        default=[],
        description="Compare B's primary with others on validation rows: quantizations; imatrix, plain: with, without a"
        " matrix.",
    )

    verify: bool = Field(
        True, description="Compare each model's files with its F16 file on fixed texts, tokenizers included."
    )

    @model_validator(mode="after")
    def _primary_is_made(self) -> Gguf:
        if self.primary is not None and self.primary not in self.quantizations:
            raise ValueError(f"primary is {self.primary}, which is not in quantizations; add it or choose another")
        guided = self.imatrix is not None
        if faults := alternative_faults(self.alternatives, self.primary_quantization, imatrix=guided):
            raise ValueError(f"alternatives: {'; '.join(faults)}")
        return self

    @property
    def compared(self) -> list[Alternative]:
        """The files that are compared with model B's primary one."""
        return alternatives_of(self.alternatives, self.primary_quantization, imatrix=self.imatrix is not None)

    @property
    def of_b(self) -> list[Quantization]:
        """What model B is made at, guided like each other; the others of `compared` are made apart."""
        more = [each.quantization for each in self.compared if not each.apart]
        return list(dict.fromkeys([*self.quantizations, *more]))

    @property
    def made_apart(self) -> list[Alternative]:
        """Files of model B that another importance matrix guides, or none."""
        return [each for each in self.compared if each.apart]

    @property
    def primary_quantization(self) -> Quantization:
        """The quantization that the bare model name refers to."""
        return self.primary or self.quantizations[-1]
