"""What the row explorer shows, as compact JSON: a value per row in every list, limited in size."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from so8t_reporter.answers import pairs_of
from so8t_reporter.inputs import Names, ReportInputs
from so8t_reporter.sections.decisions import DANGERS, NEEDLESS
from so8t_shared.labels import INVALID, LABELS
from so8t_shared.models.turns import shown_turns
from so8t_shared.results.answers import Sample
from so8t_shared.results.sides import SIDES, Side
from so8t_shared.results.training import LabeledRow
from so8t_shared.tables import metrics

CLASSES = (*LABELS, INVALID)
TEXT_LENGTH = 4000
"""Most characters of a row's text or an answer; a turn before it is shorter."""
MOST_BYTES = 24_000_000
"""Most bytes of all texts together; above this, the limit of each text is halved until they fit."""
FEWEST_CHARACTERS = 60

_ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


@dataclass(frozen=True)
class Setting:
    """A quantization and scoring with both models' answers by row id."""

    quantization: str
    scoring: str
    answers: dict[str, dict[Side, Sample]]


def explorer_json(inputs: ReportInputs, names: Names) -> str:
    """Return the data as JSON that is safe inside a script element."""
    settings = [
        Setting(q, s, {a.row_id: {"a": a, "b": b} for a, b in pairs_of(inputs, q, s)})
        for q in inputs.quantizations
        for s in inputs.evaluation.scorings
    ]
    answered = {row_id: pair["a"] for setting in settings for row_id, pair in setting.answers.items()}
    known = {row.id: row for row in inputs.test_rows}
    rows = [known.get(row_id) or _nameless(sample) for row_id, sample in sorted(answered.items())]
    turns = [shown_turns(row.before) for row in rows]
    shorten = _shortener(
        [row.text for row in rows]
        + list({text for said in turns for _, text in said})
        + [wrote(s) for setting in settings for p in setting.answers.values() for s in p.values()]
    )
    shown = (inputs.evaluation.primary_quantization, inputs.evaluation.deciding_scoring)
    data = {
        "names": {side: names.of(side) for side in SIDES},
        "classes": CLASSES,
        "mistakes": _mistakes(),
        "shown": [(s.quantization, s.scoring) for s in settings].index(shown),
        "rows": {
            "id": [row.id for row in rows],
            "text": [shorten(row.text) for row in rows],
            "gold": [CLASSES.index(row.label) for row in rows],
            "turns": _conversations(rows, turns, shorten),
            **{name: _coded(getattr(row, name) for row in rows) for name in ("language", "category", "group")},
        },
        "settings": [_setting(setting, [row.id for row in rows], shorten) for setting in settings],
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPES)


def wrote(sample: Sample) -> str:
    """Return what the model wrote outside its thinking, as far as it was kept."""
    return sample.text or sample.final


def _nameless(sample: Sample) -> LabeledRow:
    """An answered row that is not in the test split: its text is unknown."""
    return LabeledRow(
        id=sample.row_id, text="(text not in the test split)", label=sample.gold, language=sample.language,
        category=sample.category, group=sample.group,
    )  # fmt: skip


def _mistakes() -> list[dict[str, Any]]:
    """The mistakes that have a name: whose rows, answered how, and whether they are dangerous."""
    return [
        {
            "name": name,
            "words": words,
            "gold": [CLASSES.index(label) for label in metrics.BY_NAME[name].gold],
            "said": [CLASSES.index(label) for label in metrics.BY_NAME[name].said],
            "dangerous": name in DANGERS,
        }
        for name, words in (DANGERS | NEEDLESS).items()
    ]


def _coded(values: Iterable[str]) -> dict[str, Any]:
    """Each value once, and a place among them for every row."""
    listed = list(values)
    places = {value: i for i, value in enumerate(sorted(set(listed)))}
    return {"values": list(places), "of": [places[value] for value in listed]}


def _conversations(
    rows: list[LabeledRow], turns: list[list[tuple[str, str]]], shorten: Callable[[str], str]
) -> dict[str, Any]:
    """Each role and text once, since many rows have the same system prompt; for every row, their places.

    Also how many turns there were before each request, shown or not, besides a system prompt.
    """
    places = {turn: i for i, turn in enumerate(dict.fromkeys(turn for said in turns for turn in said))}
    return {
        "values": [(role, shorten(text)) for role, text in places],
        "of": [[places[turn] for turn in said] for said in turns],
        "earlier": [sum(turn.role != "system" for turn in row.turns) for row in rows],
    }


def _setting(setting: Setting, ids: list[str], shorten: Callable[[str], str]) -> dict[str, Any]:
    data: dict[str, Any] = {"quantization": setting.quantization, "scoring": setting.scoring}
    for side in SIDES:
        samples = [setting.answers[i][side] if i in setting.answers else None for i in ids]
        data[side] = {
            "said": [CLASSES.index(s.predicted) if s else -1 for s in samples],
            "wrote": [_unlike_class(s, shorten) if s else "" for s in samples],
            "shares": [share for s in samples for share in _shares(s)]
            if any(s and s.logprobs for s in samples)
            else [],
        }
    return data


def _unlike_class(sample: Sample, shorten: Callable[[str], str]) -> str:
    """What the model wrote; nothing if it is only the name of its class, as in most answers."""
    text = wrote(sample)
    return "" if text == sample.predicted else shorten(text)


def _shares(sample: Sample | None) -> list[int]:
    """Each label's part in thousandths of what the four have together; -1 where there is none."""
    logprobs = sample.logprobs if sample else None
    if logprobs is None:
        return [-1] * len(LABELS)
    likeliest = max(logprobs.values())
    parts = [math.exp(logprobs[label] - likeliest) for label in LABELS]
    return [round(1000 * part / sum(parts)) for part in parts]


def _shortener(texts: list[str]) -> Callable[[str], str]:
    """Return a function that cuts a text so that all of these fit together."""
    limit = TEXT_LENGTH
    while limit > FEWEST_CHARACTERS and sum(len(text[:limit].encode()) for text in texts) > MOST_BYTES:
        limit //= 2

    def shorten(text: str) -> str:
        more = len(text) - limit
        return text if more <= 0 else f"{text[:limit]}… ({more:,} more characters in answers.csv)"

    return shorten
