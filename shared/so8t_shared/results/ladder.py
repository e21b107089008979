"""A ladder: the same rows through every hand-over of a model, from the trained one to each quantization."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from so8t_shared.documents import Document, Part
from so8t_shared.results.sides import Side

LADDER_FILE = "ladder.json"

Loss = Literal["none", "decisions", "difference", "both"]
"""What a hand-over lost: decisions, by the paired test; or nothing of that kind, but it differs more than explained."""


class RungRecord(Document):
    """rungs/NAME.json: one rung as it was measured; its arrays lie beside it."""

    schema_version: Literal[1] = 1
    rung: str
    key: str = Field(description="Digest of all that decides the figures; another one means to measure again.")
    arrays_sha256: str = Field(description="Of rungs/NAME.npz.")
    program: str = Field(description="What computed it, with versions.")
    rows: list[str] = Field(description="Ids of the rows, in their order.")
    prompts: list[str] = Field(description="Rendered prompt of each row.")
    prompt_tokens: list[int] = Field(
        default_factory=list, description="Tokens of each prompt, of a program that does not show them; 0 if unknown."
    )
    left_out: list[str] = Field(default_factory=list, description="Ids of rows that do not fit the context.")
    ends_turn: bool | None = Field(None, description="Whether the trained end of a turn ends an answer here.")
    ended: dict[str, bool] = Field(
        default_factory=dict,
        description="By row, of some: whether the model ended the correct answer, as it is set.",
    )
    file_type: str = Field("", description="What a GGUF file says that it is; empty if it does not.")
    longest_tokens: int = Field(0, description="Tokens of the longest prompt with an answer.")
    load_seconds: float
    seconds: float = Field(description="Time for the rows, without loading.")
    peak_memory_bytes: int | None


class Rung(Part):
    """One rung of the result."""

    name: str
    title: str
    program: str
    right: int = Field(description="Rows whose likeliest label is the correct one.")
    seconds: float
    load_seconds: float
    peak_memory_bytes: int | None


class Difference(Part):
    """How far a rung's figures are from those of the rung before, over the rows that both have."""

    logprob_mean: float | None = Field(
        description="Mean absolute difference of a label's log-probability, nats; without bounds."
    )
    logprob_max: float | None = Field(description="Largest one.")
    end_mean: float | None = Field(None, description="Mean absolute difference for the end of the turn, nats.")
    kl_mean: float | None = Field(
        None, description="Mean KL divergence over the vocabulary at the answer's position, nats."
    )
    kl_max: float | None = None
    flipped: int = Field(description="Rows whose likeliest label is another one.")


class FlippedRow(Part):
    """A row whose decision changed, or whose prompt or tokens did."""

    id: str
    gold: str
    before: str
    after: str
    margin: float = Field(description="Log-probability by which the rung before preferred its label to this one's.")


class OtherTokens(Part):
    """The first row that two rungs render or tokenize differently, side by side from shortly before that place.

    Token ids are empty for a program that does not show them.
    """

    id: str
    place: int = Field(description="Number of leading tokens that both have; of letters, if a program shows no tokens.")
    before_text: str
    after_text: str
    before_ids: list[int]
    after_ids: list[int]


class Handover(Part):
    """A rung against the one that it was made from."""

    before: str
    after: str
    kind: str
    difference: Difference
    explained: Difference | None = Field(None, description="What this kind of hand-over does to this model.")
    within: bool = Field(description="Whether the difference is within what the hand-over explains.")
    beyond: list[str] = Field(description="What is beyond it, one clause each.")
    kl_bound: bool = Field(
        description="Whether the KL divergence is a lower bound, of the likeliest tokens and the rest."
    )
    gained: int = Field(description="Rows that only the later rung decides correctly.")
    lost: int = Field(description="Rows that only the earlier rung decides correctly.")
    p_value: float = Field(description="Two-sided paired test of equal accuracy; groups of rows count.")
    p_adjusted: float = Field(description="Holm-adjusted over the ladder.")
    rows: int
    open_rows: int = Field(0, description="Rows whose decision a program leaves open; they count as unchanged.")
    loss: Loss
    flipped: list[FlippedRow]
    other_prompts: int = Field(description="Rows with another rendered prompt.")
    other_tokens: int = Field(description="Rows with other token ids, of the prompt or of an answer.")
    example: OtherTokens | None = None

    @property
    def names_a_loss(self) -> bool:
        """Whether anything was lost."""
        return self.loss != "none"


class Ladder(Part):
    """One model's ladder."""

    side: Side | None = None
    name: str
    rows: int
    rungs: list[Rung]
    handovers: list[Handover]
    lost_at: str | None = Field(None, description="The first rung with a loss.")
    sentence: str
    notes: list[str] = Field(default_factory=list)


class LadderResult(Document):
    """ladder.json."""

    schema_version: Literal[1] = 1
    session: str = ""
    ladders: list[Ladder]
