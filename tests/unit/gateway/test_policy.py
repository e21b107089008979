"""From validation answers to a served decision: the real conclude writes policy.json, and /think decides by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.unit.evaluator.judged import ENGINE
from tests.unit.evaluator.likely import draw
from tests.unit.evaluator.material import make_row
from tests.unit.gateway.service_process import EMBEDDED
from tests.unit.gateway.session import QUANTIZATION, Prepared
from tests.unit.reporter.pipeline import leaves

from so8t_evaluator.stages import conclude
from so8t_evaluator.thresholds import likelihoods_of
from so8t_gateway.session_model import SessionModel, read_session
from so8t_shared.classes import decide
from so8t_shared.files import sha256_file
from so8t_shared.interruption import StopSignal
from so8t_shared.json_files import write_json, write_lines
from so8t_shared.places import gguf_name
from so8t_shared.results.answers import Sample
from so8t_shared.results.asking import AskedFile, Asking
from so8t_shared.results.evaluation import AnswerLimit, EvaluationResult
from so8t_shared.results.policy import POLICY_FILE
from so8t_shared.results.sides import SIDES
from so8t_shared.results.thresholds import FittedPolicy
from so8t_shared.results.training import Targets
from so8t_shared.running.context import StageContext, StageFunction
from so8t_shared.running.events import Listeners
from so8t_shared.running.runner import StageRun
from so8t_shared.sessions.session import open_session
from so8t_shared.stages import stage_named

TARGETS = {"false_allow": 0.05, "escalate": 0.6}


class Concluded:
    """A session that the real conclude finished, and its answers to the test rows."""

    def __init__(self, root: Path, guard: Path, *, with_targets: bool = True) -> None:
        self.tested = Prepared(root, {**EMBEDDED, "ab_test": _settings(with_targets)})
        self.test = _answers("t")
        self._asked, self._split, self._other = (_folder(root / name) for name in ("asked", "split", "other"))
        self._write(guard, with_targets=with_targets)
        self._evaluation: list[EvaluationResult] = []
        works: dict[str, StageFunction] = {
            "convert-a": leaves(self._other),
            "train": leaves(self._split),
            "convert-b": leaves(guard),
            "import": leaves(self._other),
            "evaluate": leaves(self._asked),
            "conclude": self._conclude,
        }
        session = open_session(self.tested.store, self.tested.config)
        for name, work in works.items():
            run = StageRun(
                stage_named(name), session, self.tested.store, listeners=Listeners("child"), stop=StopSignal()
            )
            run.run(lambda work=work: work)

    def _conclude(self, ctx: StageContext) -> None:
        conclude(ctx)
        self._evaluation.append(EvaluationResult.read(ctx.output_dir / "evaluation.json"))

    @property
    def evaluation(self) -> EvaluationResult:
        """What was concluded."""
        return self._evaluation[0]

    @property
    def served(self) -> SessionModel:
        """What /think takes from the session."""
        return read_session(self.tested.store, self.tested.config)

    @property
    def handed_over(self) -> list[Path]:
        """The copies of policy.json for people."""
        return sorted((self.tested.root / "results").rglob(POLICY_FILE))

    def _write(self, guard: Path, *, with_targets: bool) -> None:
        (self.tested.root / "model").mkdir()
        (self.tested.root / "model" / "config.json").write_text("{}")
        (self.tested.root / "rows.jsonl").write_text("{}\n")
        (self._other / "any.txt").write_text("")
        rows = [make_row(sample.row_id, sample.gold) for sample in self.test if sample.model == "a"]
        for part in ("train", "validation", "test"):
            write_lines(self._split / "splits" / f"{part}.jsonl", rows if part == "test" else [])
        write_json(self._split / "splits" / "targets.json", Targets(longest_tokens=9))
        digests = {"a": "a" * 64, "b": sha256_file(guard / gguf_name("b", QUANTIZATION))}
        asking = Asking(
            primary_quantization=QUANTIZATION,
            quantizations=[QUANTIZATION],
            scorings=["logprob"],
            engine=ENGINE,
            answer_limit=AnswerLimit(max_new_tokens=48, longest_target_tokens=9),
            speed=[],
            files=[AskedFile(model=side, quantization=QUANTIZATION, sha256=digests[side]) for side in SIDES]
            if with_targets
            else None,
        )
        write_json(self._asked / "asking.json", asking)
        write_lines(self._asked / "samples.jsonl", self.test)
        write_lines(self._asked / "control.jsonl", [])
        if with_targets:
            write_lines(self._asked / "validation.jsonl", _answers("v"))


def _settings(with_targets: bool) -> dict[str, object]:
    settings: dict[str, object] = {"scoring": ["logprob"], "bootstrap_resamples": 100, "control": False}
    return {**settings, **({"policy": TARGETS} if with_targets else {})}


def _answers(part: str) -> list[Sample]:
    rng = np.random.default_rng(ord(part))
    return [s for side in SIDES for s in draw(rng, prefix=part, model=side, quantization=QUANTIZATION)]


def _folder(path: Path) -> Path:
    (path / "splits").mkdir(parents=True) if path.name == "split" else path.mkdir(parents=True)
    return path


@pytest.fixture(scope="module")
def concluded(guard: Path, tmp_path_factory: pytest.TempPathFactory) -> Concluded:
    """With targets."""
    return Concluded(tmp_path_factory.mktemp("concluded"), guard)


def _fitted(concluded: Concluded) -> FittedPolicy:
    assert concluded.evaluation.policy is not None
    return concluded.evaluation.policy.of("b", QUANTIZATION)


def test_think_takes_what_conclude_fitted(concluded: Concluded) -> None:
    """The policy of the served file, to the last digit, and with a threshold that matters."""
    fitted, served = _fitted(concluded), concluded.served
    assert served.policy is not None
    assert served.policy.model_dump() == fitted.model_dump(include=set(served.policy.model_dump()))
    assert served.policy.model_sha256 == served.file.sha256
    assert 0 < served.policy.thresholds["ALLOW"] < 1
    assert fitted.validation.outcome == "met"


def test_think_decides_as_the_test_says(concluded: Concluded) -> None:
    """On the test rows, the served policy gives the shares that the evaluation reports, row by row."""
    policy, shares = concluded.served.policy, _fitted(concluded).test
    of_b = [sample for sample in concluded.test if sample.model == "b"]
    said = {s.row_id: decide(likelihoods_of(s), policy, min_confidence=0.99).label or "ESCALATION" for s in of_b}
    harmful = [s for s in of_b if s.gold in {"DENY", "REFUSE"}]
    decided = [s for s in of_b if said[s.row_id] != "ESCALATION"]
    assert shares.false_allow is not None
    assert shares.error is not None
    assert shares.false_allow.hits == sum(said[s.row_id] == "ALLOW" for s in harmful) > 0
    assert shares.escalate.hits == len(of_b) - len(decided)
    assert (shares.error.hits, shares.error.rows) == (sum(said[s.row_id] != s.gold for s in decided), len(decided))


def test_policy_is_handed_over(concluded: Concluded) -> None:
    """A copy lies where model B's Modelfiles go, the same bytes as /think reads."""
    (copy,) = concluded.handed_over
    assert copy.parent.name == "models"
    assert sha256_file(copy) == concluded.served.policy_sha256


def test_without_targets(guard: Path, tmp_path: Path) -> None:
    """There is no policy: not in the evaluation, not for /think, not in the results."""
    concluded = Concluded(tmp_path, guard, with_targets=False)
    assert concluded.evaluation.policy is None
    assert (concluded.served.policy, concluded.served.policy_sha256) == (None, "")
    assert concluded.handed_over == []
