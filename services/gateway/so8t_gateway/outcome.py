"""What became of one request; every interface shows it in its own form, and the audit log records it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Outcome:
    """What became of one request. Only `answer` may hold words of the model, and only those that may leave."""

    request_id: str
    answer: str
    """What the client reads: a constant of ours for a bare label, else the text inside `<final>`."""
    label: str
    """The class; ESCALATION if anything was in doubt."""
    confidence: float
    """See `classes.Decision.confidence`; 0 if it is not known."""
    escalated: bool
    """Whether a human must decide: the class is ESCALATION, for whatever reason."""
    reason: str
    """Name of a row in `reasons`; empty if the answer is the model's own decision."""
    thinking_hash: str
    """HMAC-SHA256 of the thinking under the secret key, in hex; empty if there was none."""
    thinking_length: int
    """In characters, like the other two lengths."""
    answer_length: int
    query_length: int
    prompt_tokens: int
    completion_tokens: int
    model: str
    """Name with quantization, for example borea-phi35-so8t-retrained:q4_k_m."""
    model_sha256: str
    policy_sha256: str
    """Digest of policy.json; empty if the session has none."""
    finish: str
    """`stop` if the model ended its answer, `length` if the limit did; empty if it gave none."""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """Of each class among the four, if known."""
