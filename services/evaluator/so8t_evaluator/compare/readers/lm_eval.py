"""lm-evaluation-harness's samples_*.jsonl: a line per row and filter."""

from __future__ import annotations

from typing import Any

from so8t_evaluator.compare.faults import UnusableError
from so8t_evaluator.compare.reader import Object, Reader, at, first_at
from so8t_shared.labels import LABELS, canonical_label


def _row(entry: Object) -> Object:
    answers = first_at(entry, "filtered_resps", "resps")
    if not isinstance(answers, list) or not answers:
        raise UnusableError("lm-eval recorded no response for it")
    found = {
        "id": first_at(entry, "doc.id", "doc_id"),
        "gold": entry.get("target"),
        **{key: at(entry, f"doc.{key}") for key in ("group", "language", "category")},
    }
    choices = _choices(entry.get("arguments"))
    if _is_scored(answers[0]) and len(choices) == len(answers):
        return found | _likeliest(choices, answers, found["gold"])
    text = answers[0]
    while isinstance(text, list) and text:
        text = text[0]
    return found | {"predicted": text}


def _is_scored(answer: Any) -> bool:
    """Whether it is a log-likelihood, and whether the choice is the likeliest text, as lm-eval writes it."""
    return isinstance(answer, list) and len(answer) == 2 and str(answer[1]) in {"True", "False"}


def _choices(arguments: Any) -> list[str]:
    requests = list(arguments.values()) if isinstance(arguments, dict) else arguments or []
    return [str(first_at(request, "arg_1", "1")).strip() for request in requests]


def _likeliest(choices: list[str], answers: list[Any], target: Any) -> Object:
    try:
        scores = [float(answer[0]) for answer in answers]
    except (TypeError, ValueError, IndexError) as error:
        raise UnusableError("lm-eval's log-likelihoods cannot be read") from error
    found: Object = {"predicted": choices[scores.index(max(scores))]}
    labels = [canonical_label(choice) for choice in choices]
    if sorted(map(str, labels)) == sorted(LABELS):
        found["logprobs"] = dict(zip(map(str, labels), scores, strict=True))
    if str(target).isdecimal() and int(target) < len(choices):  # the number of a choice, not the id of a class
        found["gold"] = choices[int(target)]
    return found


READER = Reader(row=_row)
