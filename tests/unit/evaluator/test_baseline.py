"""What the words alone give away."""

from __future__ import annotations

import random

import pytest
from tests.messages import Said
from tests.unit.evaluator.material import make_row, make_sample

from so8t_evaluator.baseline import bag_of_words
from so8t_shared.labels import LABELS
from so8t_shared.results.training import LabeledRow

ENGLISH = dict(zip(LABELS, ("stale", "slate", "least", "steal"), strict=True))  # the same letters
JAPANESE = dict(zip(LABELS, ("会議を開く", "承認を頼む", "写しを渡す", "爆弾を作る"), strict=True))


def _rows(words: dict[str, str], filler: str, seed: int, per_class: int = 12) -> list[LabeledRow]:
    rng = random.Random(seed)
    separator = " " if filler.isascii() else ""
    return [
        make_row(separator.join([*rng.choices(filler.split(), k=3), word, str(i)]), label)
        for label, word in words.items()
        for i in range(per_class)
    ]


@pytest.mark.parametrize(
    ("words", "filler"),
    [(ENGLISH, "the door and map"), (JAPANESE, "今日 明日 部屋"), (JAPANESE, "the door and map")],
    ids=["english", "japanese", "both"],
)
def test_separable(words: dict[str, str], filler: str) -> None:
    """Where a word decides, it is found: in English, in Japanese without spaces, and in both together."""
    train, test = _rows(words, filler, 1), _rows(words, filler, 2, per_class=5)
    found = bag_of_words(train, test, 0.95)
    assert found is not None
    baseline = found.baseline
    assert (baseline.accuracy.value, baseline.macro_f1, baseline.n_train, baseline.n_test) == (1.0, 1.0, 48, 20)


def test_chance_on_shuffled_labels() -> None:
    """Where words say nothing, it is no better than guessing."""
    rng = random.Random(0)
    rows = [make_row(" ".join(rng.choices("abcdefghij", k=6)) + " word", rng.choice(LABELS)) for _ in range(600)]
    found = bag_of_words(rows[:300], rows[300:], 0.95)
    assert found is not None
    assert found.baseline.accuracy.value == pytest.approx(0.25, abs=0.08)


def test_model_against_it(said: Said) -> None:
    """A model is held against it row by row; other rows, or the same in another order, are refused."""
    train, test = _rows(ENGLISH, "the door and map", 1), _rows(ENGLISH, "the door and map", 2, per_class=5)
    found = bag_of_words(train, test, 0.95)
    assert found is not None
    samples = [make_sample(row.id, row.label, "INVALID" if i < 6 else row.label) for i, row in enumerate(test)]
    line = found.against(samples, "exact")
    assert (line.n, line.reference_right, line.other_right, line.gained, line.lost) == (20, 20, 14, 0, 6)
    assert line.p_value == line.p_adjusted == 2 / 2**6
    for other in (samples[::-1], samples[1:], [*samples, samples[0].model_copy(update={"model": "b"})], []):
        with said.raised(ValueError):
            found.against(other, "exact")


def test_undefined() -> None:
    """No test row, no training row, a single class or no word at all: there is no baseline."""
    rows = _rows(ENGLISH, "the door", 1)
    assert bag_of_words(rows, [], 0.95) is None
    assert bag_of_words([], rows, 0.95) is None
    assert bag_of_words([row for row in rows if row.label == "DENY"], rows, 0.95) is None
    assert bag_of_words([make_row("?!", "DENY"), make_row("...", "ALLOW")], rows, 0.95) is None
