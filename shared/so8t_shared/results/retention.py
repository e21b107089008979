"""What model B still knows: how likely reference answers to neutral prompts are to A and to B."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from so8t_shared.documents import Part
from so8t_shared.results.interval import Interval
from so8t_shared.results.verification import Divergence
from so8t_shared.tables.quantizations import Quantization

RETENTION_FILE = "retention.jsonl"
"""The reference answers with their log-probabilities; only with ab_test.retention."""

Retained = Literal["kept", "lost", "undecided"]
RETAINED: dict[Retained, str] = {"kept": "kept", "lost": "lost", "undecided": "not decided"}
"""What the interval of B minus A says: all of it above -margin, all of it below, or both possible."""


class ScoredReference(Part):
    """A reference answer to A and B at one quantization (a line of retention.jsonl)."""

    quantization: Quantization
    item: int = Field(description="Its place in the set, from 1.")
    kind: str
    language: str
    prompt: str
    reference: str
    tokens_a: int = Field(description="Tokens of the reference to A.")
    tokens_b: int
    logprob_a: float = Field(description="Natural-log probability of the whole reference after the prompt, to A.")
    logprob_b: float
    kl: list[float] | None = Field(
        description="KL(A || B) in nats at each token; null if A and B cut the reference into other tokens."
    )
    kl_lower_bound: bool = Field(description="Whether only the likeliest tokens were compared, one by one.")
    changed_top: int = Field(description="Tokens in whose place another one is the likeliest to B.")

    @property
    def a(self) -> float:
        """A's log-probability per token."""
        return self.logprob_a / self.tokens_a

    @property
    def b(self) -> float:
        """B's log-probability per token, of A's tokens: so it can be compared if B has others."""
        return self.logprob_b / self.tokens_a


class LostItem(Part):
    """An item that lost."""

    item: int = Field(description="Its place in retention.jsonl.")
    kind: str
    language: str
    a: float = Field(description="A's log-probability per token.")
    b: float


class RetainedPart(Part):
    """Items of one kind or language."""

    by: Literal["kind", "language"]
    value: str
    items: int
    a: float
    b: float


class FileRetention(Part):
    """What model B still knows at one quantization."""

    quantization: Quantization
    verdict: Retained
    a: float = Field(description="Mean over the items of A's log-probability per token, in nats.")
    b: float
    difference: Interval = Field(description="B minus A; the items are the units.")
    divergence: Divergence | None = Field(
        description="KL(A || B) over all tokens of the references; null if A and B have other tokens."
    )
    parts: list[RetainedPart] = Field(description="By kind and by language, in the set's order.")
    lost_most: list[LostItem] = Field(description="Up to five items, the largest loss first.")


class RetentionResult(Part):
    """What model B still knows."""

    items: int
    tokens: int = Field(description="Tokens of all references to A.")
    margin: float = Field(description="ab_test.retention.margin.")
    lower_bound: bool = Field(description="Whether each divergence is only a lower bound.")
    files: list[FileRetention]

    def of(self, quantization: Quantization) -> FileRetention | None:
        """At one quantization; None if it was not asked."""
        return next((each for each in self.files if each.quantization == quantization), None)

    def warnings(self) -> list[str]:
        """A line for each quantization that did not keep what A has."""
        return [
            f"retention, {each.quantization}: {RETAINED[each.verdict]}; references {each.difference.value:+.2f} nats"
            f" per token ({each.difference.low:+.2f} to {each.difference.high:+.2f}), margin {self.margin:g}"
            for each in self.files
            if each.verdict != "kept"
        ]
