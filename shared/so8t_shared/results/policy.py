"""policy.json: how a model's class probabilities become a class, fitted for each quantization that is served."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from so8t_shared.documents import Document, Part
from so8t_shared.labels import LABELS
from so8t_shared.tables.quantizations import Quantization

POLICY_FILE = "policy.json"

Share = Annotated[float, Field(ge=0, le=1)]


class QuantizationPolicy(Part):
    """The policy of one GGUF file."""

    quantization: Quantization
    model_sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Digest of the GGUF file that it was fitted for.")
    temperature: float = Field(gt=0, description="The labels' log-probabilities are divided by it.")
    thresholds: dict[str, Share] = Field(
        description="For each class, the least probability at which it is decided; below it, ESCALATION."
    )

    @model_validator(mode="after")
    def _has_every_class(self) -> QuantizationPolicy:
        if set(self.thresholds) != set(LABELS):
            raise ValueError(f"thresholds must name {', '.join(LABELS)}")
        return self


class Policy(Document):
    """policy.json of the conclude stage."""

    schema_version: Literal[1] = 1
    quantizations: list[QuantizationPolicy]

    def of(self, sha256: str) -> QuantizationPolicy | None:
        """Return the policy of the GGUF file with this digest; None if there is none."""
        return next((each for each in self.quantizations if each.model_sha256 == sha256), None)
