"""The whole evaluation: everything is asked once, compared and written."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.evaluator.small_evaluation import ASKED, QUANTIZATIONS, ROWS_PER_CLASS, ask_everything, make_grid

from so8t_evaluator.conclude import conclude_from_files
from so8t_evaluator.evaluating import Inputs, ask_models
from so8t_shared.artifacts.shelves import Shelves
from so8t_shared.config.model import Config
from so8t_shared.errors import InputError
from so8t_shared.labels import LABELS
from so8t_shared.results.answers import Sample
from so8t_shared.results.asking import Asking
from so8t_shared.results.evaluation import AnswerLimit, EvaluationResult
from so8t_shared.results.sides import SIDES
from so8t_shared.results.training import Targets


def _conclude(inputs: Inputs, asked: Path, config: Config) -> EvaluationResult:
    return conclude_from_files(asked, inputs.splits, config.ab_test)


def test_ask_models_and_conclude(config: Config, inputs: Inputs, shelves: Shelves, tmp_path: Path) -> None:
    """From answers that are all known (no engine is loaded) to their files, the result and its verdicts."""
    asked = ask_everything(make_grid(config, inputs, shelves))
    output, reports = tmp_path / "output", list[int]()
    output.mkdir()
    heard: list[tuple[Sample, int]] = []
    asking = ask_models(
        config,
        inputs,
        shelves,
        lambda done, total, text: reports.append(total),
        output,
        fingerprint="second",
        on_answer=lambda sample, rows: heard.append((sample, rows)),
    )
    assert reports == [ASKED] * ASKED
    assert {rows for _, rows in heard} == {len(LABELS) * ROWS_PER_CLASS}
    assert [sample.row_id for sample, _ in heard if sample.quantization == "q4_k_m"][-12:] == [
        sample.row_id for sample in Sample.read_lines(output / "control.jsonl")
    ][::-1]
    assert asking == Asking.read(output / "asking.json")
    assert [s.reused for s in asking.speed] == [12] * 4
    written = [s for name in ("samples", "control") for s in Sample.read_lines(output / f"{name}.jsonl")]
    assert [s.reused for s in written] == [True] * ASKED
    assert [s.model_copy(update={"reused": False}) for s in written] == asked
    result = _conclude(inputs, output, config)
    assert result.control_reused == 12
    assert result.speed == asking.speed
    assert result.answer_limit == AnswerLimit(max_new_tokens=48, longest_target_tokens=None)
    assert result.test_set.by_label == dict.fromkeys(LABELS, ROWS_PER_CLASS)
    assert {(c.model, c.quantization, c.scoring): c.accuracy.value for c in result.cells} == {
        (side, quantization, scoring): share
        for side, share in zip(SIDES, (0.25, 1.0), strict=True)
        for quantization in QUANTIZATIONS
        for scoring in ("logprob", "generate")
    }
    assert [c.verdict for c in result.comparisons] == ["b_better"] * 4
    p = 2 / 2**9  # of the headline, which is tested first; the other three are adjusted among themselves
    assert [c.p_adjusted for c in result.comparisons] == pytest.approx([3 * p, 3 * p, p, 3 * p])
    assert (result.headline.quantization, result.headline.scoring) == ("q4_k_m", "logprob")
    assert result.control is not None
    assert result.control.verdict == "same_classes"
    assert result.baseline is not None
    assert result.baseline.accuracy.value == 1.0
    assert result.baseline_comparison is not None
    assert (result.baseline_comparison.reference_right, result.baseline_comparison.other_right) == (12, 12)
    assert result.gate.result == "undecided"  # 12 rows show that B is better, and nothing about its dangers
    assert {c.name: c.result for c in result.gate.clauses if c.metric in {"accuracy", "control", "false_allow"}} == {
        "B is better": "pass",
        "B is not worse anywhere": "pass",
        "harmful requests are stopped": "undecided",
        "no more false allows than A": "pass",
        "answers can be repeated": "pass",
    }
    assert {(r.metric, r.by) for r in result.rates} >= {("false_allow", "all"), ("false_allow", "language")}
    assert [(s.by, s.value, s.n, s.gained, s.lost) for s in result.slices] == [
        ("language", "en", 9, 6, 0),
        ("language", "ja", 3, 3, 0),
    ]
    losses = [(x.model, x.scoring, x.reference, x.quantization, x.difference) for x in result.quantization_losses]
    assert losses == [(side, s, "q8_0", "q4_k_m", 0.0) for side in SIDES for s in ("generate", "logprob")]


def test_answers_may_be_as_long_as_those_trained_on(
    config: Config, inputs: Inputs, shelves: Shelves, tmp_path: Path
) -> None:
    """Where no limit is configured, the longest target of training decides; the result tells both numbers."""
    open_limit = config.model_copy(update={"ab_test": config.ab_test.model_copy(update={"max_new_tokens": None})})
    decided = config.model_copy(update={"ab_test": config.ab_test.model_copy(update={"max_new_tokens": 125})})
    (inputs.splits / "targets.json").write_text(Targets(longest_tokens=100).model_dump_json(), encoding="utf-8")
    ask_everything(make_grid(decided, inputs, shelves))
    result = ask_models(open_limit, inputs, shelves, lambda done, total, text: None, tmp_path, fingerprint="first")
    assert result.answer_limit == AnswerLimit(max_new_tokens=125, longest_target_tokens=100)


def test_same_answers_same_bytes(config: Config, inputs: Inputs, shelves: Shelves, tmp_path: Path) -> None:
    """Asking and concluding again writes the same files, to the byte."""
    ask_everything(make_grid(config, inputs, shelves))
    digests = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        ask_models(config, inputs, shelves, lambda done, total, text: None, tmp_path / name, fingerprint="second")
        concluded = _conclude(inputs, tmp_path / name, config).to_bytes()
        files = [(tmp_path / name / file).read_bytes() for file in ("samples.jsonl", "control.jsonl", "asking.json")]
        digests.append(hashlib.sha256(b"".join([*files, concluded])).hexdigest())
    assert digests[0] == digests[1]


def test_no_test_row(config: Config, inputs: Inputs, shelves: Shelves, tmp_path: Path, said: Said) -> None:
    """An empty test split is refused with a remedy, before anything is loaded."""
    (inputs.splits / "test.jsonl").write_text("")
    with said.raised(InputError):
        ask_models(config, inputs, shelves, lambda done, total, text: None, tmp_path, fingerprint="x")


def test_asking_needs_no_statistics() -> None:
    """The stages that ask do not spend the second that importing scipy and statsmodels takes."""
    code = "import sys, so8t_evaluator.stages; sys.exit(bool({'scipy', 'statsmodels', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_concluding_needs_no_other_library_of_statistics() -> None:
    """A conclusion, and the plan of the test, do not spend another second on importing what they hardly use."""
    code = "import sys, so8t_evaluator.conclude; print({'scipy.signal', 'statsmodels', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
