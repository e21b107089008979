"""An evaluation, computed again from an unpacked bundle; forgeries of answers are in tests/unit/shared/bundles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.bundled import Bundles
from tests.unit.evaluator.material import make_sample
from tests.unit.shared.bundles.tampering import Forgery

from so8t_evaluator.answer_faults import class_of
from so8t_evaluator.evidence import count_words, recompute
from so8t_shared.bundles.scratch import scratch_folder
from so8t_shared.errors import IntegrityError
from so8t_shared.labels import INVALID, LABELS


def _unpacked(path: Path) -> Iterator[Path]:
    with scratch_folder() as scratch:
        for name, data in Forgery(path).files.items():
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            (scratch / name).write_bytes(data)
        yield scratch


@pytest.fixture
def folder(bundles: Bundles) -> Iterator[Path]:
    """The unpacked bundle, to be changed."""
    yield from _unpacked(bundles.unsigned)


@pytest.fixture
def without_texts(bundles: Bundles) -> Iterator[Path]:
    """The same without texts."""
    yield from _unpacked(bundles.without_texts)


def _configuration(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "configuration.json").read_bytes())
    return found


def test_the_same_evaluation(folder: Path, without_texts: Path) -> None:
    """With texts and without, all values of evaluation.json are compared, and the gate is the recorded one."""
    found = [recompute(each, _configuration(each), texts=each == folder) for each in (folder, without_texts)]
    gate = json.loads((folder / "conclude/evaluation.json").read_bytes())["gate"]["result"]
    assert [(each.faults, each.gate) for each in found] == [([], gate)] * 2
    assert found[0].values == found[1].values > 5_000


def test_words_that_were_changed(without_texts: Path) -> None:
    """Without texts nobody can count words again, but what they gave must give the recorded baseline."""
    path = without_texts / "words.json"
    words = json.loads(path.read_bytes())
    answers = map(json.loads, (without_texts / "evaluate/samples.jsonl").read_bytes().splitlines())
    path.write_text(json.dumps({answer["row_id"]: answer["gold"] for answer in answers}))
    found = recompute(without_texts, _configuration(without_texts), texts=False)
    assert any("baseline" in fault.where for fault in found.faults)
    for damaged in ({**words, "other": "DENY"}, dict.fromkeys(words, "MAYBE"), {row: [] for row in words}):
        path.write_text(json.dumps(damaged))
        with pytest.raises(IntegrityError) as caught:
            recompute(without_texts, _configuration(without_texts), texts=False)
        assert caught.value.where == "words.json"


def test_a_session_whose_words_cannot_be_counted() -> None:
    """One class to train on: no classifier, and so no words."""
    row = b'{"id":"1","text":"a","label":"DENY"}\n'
    assert count_words(row, row, b'{"row_id":"1"}\n') == {}


def test_a_bundle_that_would_keep_a_computer_busy(folder: Path) -> None:
    """Refused, not computed."""
    configuration = _configuration(folder)
    configuration["ab_test"]["bootstrap_resamples"] = 10**12
    with pytest.raises(IntegrityError) as caught:
        recompute(folder, configuration, texts=True)
    assert caught.value.where == "configuration.json: ab_test"


SAID: list[tuple[dict[str, Any], str | None]] = [
    ({"final": "DENY"}, "DENY"),
    ({"final": "deny"}, "DENY"),
    ({"final": ""}, INVALID),
    ({"final": "DENY."}, INVALID),
    ({"final": "[redacted: phone number]"}, None),
    ({"final": "x" * 200}, None),
    ({"over_long": True, "final": "DENY"}, INVALID),
    ({"scoring": "logprob", "logprobs": dict(zip(LABELS, (-3.0, -1.0, -2.0, -4.0), strict=True))}, "ESCALATION"),
    ({"scoring": "logprob", "logprobs": dict.fromkeys(LABELS, -1.0)}, "ALLOW"),
    ({"scoring": "logprob", "logprobs": dict.fromkeys(LABELS, -1.0), "upper_bounds": ["ALLOW"]}, INVALID),
    ({"scoring": "logprob", "logprobs": None}, None),
]


@pytest.mark.parametrize(("kept", "expected"), SAID)
def test_the_class_that_follows_from_what_is_kept(kept: dict[str, Any], expected: str | None) -> None:
    """As it was read from the answer; None where what is kept does not tell."""
    assert class_of(make_sample("1", "DENY", "DENY", **kept), texts=True) == expected


def test_without_texts_only_probabilities_tell() -> None:
    """A final text that was left out is not one that was empty."""
    assert class_of(make_sample("1", "DENY", "DENY", final=""), texts=False) is None
