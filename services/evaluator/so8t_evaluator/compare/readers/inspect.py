"""inspect_ai's logs: .eval, an archive with a member per sample, or .json, a single object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from so8t_evaluator.compare.faults import UnusableError
from so8t_evaluator.compare.reader import Object, Reader, at

_ATTACHMENT = "attachment://"


def _entries(place: str, found: Object) -> Iterator[tuple[str, Object]]:
    if "eval" not in found:
        yield place, found  # a member of the archive
        return
    for number, sample in enumerate(found.get("samples") or [], start=1):
        if isinstance(sample, dict):
            yield f"sample {number}", sample


def _row(sample: Object) -> Object:
    if sample.get("error") is not None:
        raise UnusableError("inspect_ai recorded an error instead of an answer")
    name, epoch, choices = sample.get("id"), sample.get("epoch", 1), sample.get("choices")
    target = sample.get("target")
    gold = target[0] if isinstance(target, list) and len(target) == 1 else target
    predicted = _text(sample)
    if isinstance(choices, list) and choices:
        answers = [at(score, "answer") for score in (sample.get("scores") or {}).values()]
        gold, predicted = _chosen(gold, choices), _chosen(next(iter(answers), None), choices)
    elif predicted is None:
        raise UnusableError("inspect_ai recorded no completion for it")
    metadata = sample.get("metadata") if isinstance(sample.get("metadata"), dict) else {}
    return {
        "id": name if epoch == 1 else f"{name}, epoch {epoch}",
        "gold": gold,
        "predicted": predicted,
        "group": name,  # answers to the same sample in several epochs
        **{key: metadata[key] for key in ("group", "language", "category") if metadata and metadata.get(key)},
    }


def _text(sample: Object) -> Any:
    text = at(sample, "output.completion")
    if isinstance(text, str) and text.startswith(_ATTACHMENT):
        return at(sample.get("attachments"), text.removeprefix(_ATTACHMENT))
    return text


def _chosen(letter: Any, choices: list[Any]) -> Any:
    """Return the choice that a letter stands for; anything else unchanged."""
    place = ord(letter) - ord("A") if isinstance(letter, str) and len(letter) == 1 else -1
    return choices[place] if 0 <= place < len(choices) else letter


READER = Reader(row=_row, entries=_entries)
