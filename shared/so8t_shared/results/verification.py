"""What GGUF files of one model say on fixed texts: verify.json of `so8t-ab gguf verify`, and each model's of a run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from so8t_shared.documents import Document, Part
from so8t_shared.results.sides import Side

VERIFICATION_FILE = "verify.json"
VERIFICATIONS: dict[Side, str] = {"a": "verify_a.json", "b": "verify_b.json"}
"""Each model's in the import stage's output; absent where its files were not verified."""


class Divergence(Part):
    """How far a file's next tokens are from those of the reference, over all positions."""

    mean: float = Field(description="KL(reference || file), nats.")
    median: float
    p99: float = Field(description="99th percentile.")
    largest: float
    changed_top: float = Field(description="Share of positions with another likeliest token.")


class VerifiedFile(Part):
    """One GGUF file."""

    file: str
    file_type: str | None
    size_bytes: int
    sha256: str
    types: dict[str, int] = Field(description="GGML type name to number of tensors.")
    imatrix: str | None = Field(description="Name of the importance matrix; null without one.")
    divergence: Divergence | None = Field(description="null for the reference.")
    lost_texts: list[str] = Field(description="Kinds of texts that its tokenizer does not give back unchanged.")
    other_tokens: list[str] = Field(description="Kinds of texts that it cuts into other tokens than the reference.")

    @property
    def faults(self) -> list[str]:
        """What its tokenizer does wrong, a clause each."""
        lost, other = ", ".join(self.lost_texts), ", ".join(self.other_tokens)
        return [
            *([f"its tokenizer does not give back: {lost}"] if lost else []),
            *([f"it cuts into other tokens than the reference: {other}"] if other else []),
        ]


class Verification(Document):
    """GGUF files of one model, compared on fixed texts."""

    schema_version: Literal[1] = 1
    program: str = Field(description="What computed it, with its version.")
    reference: str = Field(description="The file that the others are compared with.")
    texts_sha256: str = Field(description="Digest of the fixed texts and of what is asked about them.")
    positions: int = Field(description="Places in the texts at which the next token was compared.")
    lower_bound: bool = Field(
        description="Whether only the likeliest tokens were compared, one by one, the others together: then the"
        " divergence is at least this."
    )
    files: list[VerifiedFile]

    @property
    def sound(self) -> bool:
        """Whether every tokenizer gives each text back, and cuts it as the reference does."""
        return not any(file.faults for file in self.files)
