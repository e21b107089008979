"""Stored parts of an answer (samples.jsonl and control.jsonl of the evaluate stage)."""

from __future__ import annotations

from pydantic import Field

from so8t_shared.documents import Part
from so8t_shared.labels import INVALID
from so8t_shared.results.sides import Side
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import Scoring

SAMPLES_FILE = "samples.jsonl"
CONTROL_FILE = "control.jsonl"
"""A's answers when asked again, in the same form."""
VALIDATION_FILE = "validation.jsonl"
"""Answers to the validation rows, in the same form; only with ab_test.policy."""
FINAL_KEPT = 200
"""Longest `Answer.final` in characters."""
TEXT_KEPT = 2_000
"""Longest `Answer.text` in characters, with its mark if it was cut."""
CUT_MARK = " [cut here]"


class Answer(Part):
    """The stored parts of one model's answer to one prompt, with its cost."""

    predicted: str = Field(description="The class read strictly from the answer, or INVALID.")
    final: str = Field(description="Text inside <final>, redacted, at most 200 characters.")
    lenient: str = Field(INVALID, description="The class that a lenient reading finds, or INVALID; it never counts.")
    text: str = Field(
        "",
        description="What the model wrote outside its thinking, redacted, at most 2,000 characters; see keep_answers.",
    )
    thinking_chars: int = Field(0, description="Characters of the thinking, which is not kept.")
    thinking_sha256: str = Field("", description="Digest of the thinking; empty if there is none.")
    answer_sha256: str = Field(description="Digest of the whole answer, including thinking.")
    prompt_tokens: int
    completion_tokens: int
    latency_ms: float = Field(description="Request to last token.")
    ttft_ms: float | None = Field(description="Request to first token.")
    decode_ms: float | None = Field(None, description="Time for the tokens after the first, by the same clock.")
    timed: bool = Field(False, description="Asked by itself, to measure speed; other latencies are no measurement.")
    disturbed: bool | None = Field(
        None, description="Other work on the machine disturbed the measurement; null if that is not known."
    )
    over_long: bool = Field(False, description="The prompt did not fit the context; counted as INVALID.")
    cut: bool = Field(
        False, description="The answer was cut at max_new_tokens; with logprob scoring, its thinking was."
    )
    logprobs: dict[str, float] | None = Field(
        None,
        description="With logprob scoring: natural-log probability of each label after the prompt, the model's own"
        " thinking if it was trained to think, and <final>. Over the whole vocabulary, summed over the label's tokens,"
        " not renormalized.",
    )
    upper_bounds: list[str] = Field(
        default_factory=list,
        description="Labels whose entry in logprobs is only an upper bound: Ollama shows the 20 likeliest tokens.",
    )
    second_look: bool = Field(
        False, description="The first request for log-probabilities did not show all labels, so another was made."
    )
    merged: bool = Field(
        False,
        description="Ollama took prompt and answer for one text with other tokens than training's, which keeps them"
        " apart: its log-probabilities stand after tokens that the model was not trained on.",
    )
    host: str
    run: str = Field("", description="Fingerprint of the evaluation that asked; it asked A and B side by side.")


class Sample(Answer):
    """One model's answer to one test row (a line of samples.jsonl)."""

    model: Side
    quantization: Quantization
    scoring: Scoring
    row_id: str
    gold: str = Field(description="The row's class.")
    group: str = Field("", description="The row's group; empty if it stands alone.")
    language: str = "unknown"
    category: str = ""
    reused: bool = Field(False, description="Taken from an earlier measurement of the same model, prompt and options.")

    @property
    def cluster(self) -> str:
        """The group, or the row itself if it stands alone."""
        return self.group or self.row_id
