"""Why an answer is ESCALATION although the model did not say so: one row each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One reason; clients, log, audit and metrics name it."""

    name: str
    meaning: str
    status: int = 200
    """HTTP status; 503 where the same request may fare better later, 500 where the service is at fault."""


ROWS: tuple[Row, ...] = (
    Row("no_final", "the answer has no complete <final> outside its thinking"),
    Row("unclosed", "thinking or <final> was opened and never closed"),
    Row("cut", "the token limit ended the answer"),
    Row("contradiction", "two finals differ, or the written class is stricter than the likeliest"),
    Row("text_after_final", "the answer goes on after its <final>"),
    Row("markup", "something that may be markup stands outside the thinking and <final>"),
    Row("final_refused", "<final> holds more than may leave: too long, or other characters than text"),
    Row("class_unknown", "the engine does not tell the probabilities of the classes"),
    Row("low_confidence", "no class is likely enough"),
    Row("query_too_long", "request and answer do not fit the model's context"),
    Row("turns_refused", "the model's chat template does not take these turns"),
    Row("timeout", "there was no answer in time"),
    Row("engine_failed", "the engine does not answer, or broke off", 503),
    Row("busy", "too many requests are waiting", 503),
    Row("stopping", "the service is about to stop", 503),
    Row("not_ready", "no model is loaded", 503),
    Row("not_audited", "the answer could not be recorded", 503),
    Row("fault", "an unexpected error", 500),
)

BY_NAME = {row.name: row for row in ROWS}


def status_of(reason: str) -> int:
    """Return the HTTP status of an outcome by its reason; an empty reason is a decision of the model."""
    return BY_NAME[reason].status if reason else 200
