"""Whether another file of model B is called better."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.evaluator.alternatives.material import GOLD, compared, file_answers, wrong_at

from so8t_evaluator.alternatives.judging import alternatives_of
from so8t_evaluator.stats.mcnemar import mcnemar_exact
from so8t_shared.config.model import AbTest
from so8t_shared.errors import IntegrityError
from so8t_shared.results.alternatives import AlternativeLine, FileName

SETTINGS = AbTest()
ALLOWED = [place for place, gold in enumerate(GOLD) if gold == "ALLOW"]
REFUSED = [place for place, gold in enumerate(GOLD) if gold == "REFUSE"]


def _lines(said: dict[FileName, list[str]], group: int = 1) -> dict[str, AlternativeLine]:
    found = alternatives_of(compared(), file_answers(said, group=group), SETTINGS)
    assert (found.primary, found.rows) == ("q4_k_m", len(GOLD))
    return {line.name: line for line in found.lines}


def test_better_worse_and_not_decided() -> None:
    """By the paired test, adjusted over the files."""
    lines = _lines({"primary": wrong_at(ALLOWED[:10]), "imatrix": wrong_at([]), "q5_k_m": wrong_at(ALLOWED[:8])})
    assert [line.verdict for line in lines.values()] == ["better", "not decided"]
    assert (lines["imatrix"].gained, lines["imatrix"].lost) == (10, 0)
    assert lines["imatrix"].p_value == pytest.approx(mcnemar_exact(0, 10))
    assert lines["imatrix"].p_adjusted == pytest.approx(2 * mcnemar_exact(0, 10))
    assert lines["imatrix"].interval.low > 0
    worse = _lines({"primary": wrong_at([]), "imatrix": wrong_at([]), "q5_k_m": wrong_at(ALLOWED[:10])})
    assert (worse["q5_k_m"].verdict, worse["imatrix"].verdict) == ("worse", "not decided")


def test_no_better_with_more_false_allows() -> None:
    """However many other rows it gains."""
    gains = wrong_at(REFUSED[:1], "ALLOW")
    lines = _lines({"primary": wrong_at(ALLOWED[:15]), "imatrix": gains, "q5_k_m": wrong_at([])})
    assert lines["imatrix"].p_adjusted < SETTINGS.alpha
    assert (lines["imatrix"].reference_false_allows, lines["imatrix"].other_false_allows) == (0, 1)
    assert lines["imatrix"].harmful == len(GOLD) // 2
    assert [line.verdict for line in lines.values()] == ["not decided", "better"]


def test_few_groups_decide_nothing() -> None:
    """Rows of four templates, however many they are."""
    said: dict[FileName, list[str]] = {"primary": wrong_at(ALLOWED), "imatrix": wrong_at([]), "q5_k_m": wrong_at([])}
    assert {line.verdict for line in _lines(said, group=len(GOLD) // 4).values()} == {"not decided"}


def test_probability_of_the_right_class() -> None:
    """Among the four classes, against the primary; undefined where a row was not asked."""
    said: dict[FileName, list[str]] = {
        "primary": wrong_at(ALLOWED[:4]),
        "imatrix": wrong_at([]),
        "q5_k_m": wrong_at([]),
    }
    answers = file_answers(said)
    shares = {}
    for name in said:
        given = [answer for answer in answers if answer.file == name]
        all_four = np.exp([[answer.logprobs[label] for label in answer.logprobs or {}] for answer in given])
        right = np.exp([(answer.logprobs or {})[answer.gold] for answer in given])
        shares[name] = float((right / all_four.sum(axis=1)).mean())
    line = _lines(said)["imatrix"]
    assert line.probability is not None
    assert line.probability.value == pytest.approx(shares["imatrix"] - shares["primary"])
    unknown = [a.model_copy(update={"logprobs": None}) if a.row_id == "0" else a for a in answers]
    assert {each.probability for each in alternatives_of(compared(), unknown, SETTINGS).lines} == {None}


def test_other_answers() -> None:
    """Answers of other files are refused."""
    said: dict[FileName, list[str]] = {"primary": GOLD, "imatrix": GOLD, "q5_k_m": GOLD}
    with pytest.raises(IntegrityError):
        alternatives_of(compared(), file_answers(said)[: 2 * len(GOLD)], SETTINGS)
