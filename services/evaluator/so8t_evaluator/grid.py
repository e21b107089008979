"""Asking the whole grid: both models at every quantization under every scoring, and A once more as a control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from so8t_evaluator.asking import Cache, Candidate, Respondent, ask_all
from so8t_evaluator.engine.protocol import Engine, NoRoomError
from so8t_evaluator.speed import make_speed
from so8t_shared.config.model import AbTest
from so8t_shared.progress import Progress
from so8t_shared.results.answers import Sample
from so8t_shared.results.evaluation import EngineInfo, Speed
from so8t_shared.results.sides import SIDES, Side
from so8t_shared.results.training import LabeledRow
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import freely_written


@dataclass
class Count:
    """How many of the answers are there."""

    total: int
    progress: Progress
    done: int = 0

    def add(self, sample: Sample) -> None:
        """One more."""
        self.done += 1
        self.say(f"{sample.quantization} {sample.model} {sample.scoring}")

    def say(self, message: str) -> None:
        """No more, but something to tell."""
        self.progress(self.done, self.total, message)


@dataclass(frozen=True)
class Asked:
    """All answers of an evaluation; those of one model in one setting are in the order of the rows."""

    samples: Sequence[Sample]
    again: Sequence[Sample]
    """A's at the primary quantization under the first scoring, once more; empty without a control."""
    speed: Sequence[Speed]
    engine: EngineInfo


@dataclass
class Grid:
    """Who is asked what, by which engine."""

    candidates: dict[tuple[Side, Quantization], Candidate]
    rows: list[LabeledRow]
    engine: Engine
    settings: AbTest
    cache: Cache
    fingerprint: str
    """Of this evaluation."""
    count: Count
    one_at_a_time: bool = False
    """Whether some pair did not fit into memory together, so that drift of the machine did not cancel."""

    def ask(self, quantizations: Sequence[Quantization], primary: Quantization) -> Asked:
        """Everything.

        Raises:
            InputError: a model cannot be loaded.
            EngineError: the engine died.
            ServerError: a server does not answer any more.
        """
        samples: list[Sample] = []
        speed: list[Speed] = []
        for quantization in quantizations:
            pair_samples, pair_speed = self.ask_pair(quantization)
            samples += pair_samples
            speed += pair_speed
        again = self.ask_control(primary) if self.settings.control else []
        return Asked(samples, again, speed, self._describe_engine())

    def ask_pair(self, quantization: Quantization) -> tuple[list[Sample], list[Speed]]:
        """A and B at one quantization, side by side; one after the other where memory is too small for both."""
        a, b = (self.candidates[side, quantization] for side in SIDES)
        same_file = a.file.sha256 == b.file.sha256
        # of one file, A's kept answers would stand in for B's, and a comparison of copies says nothing
        pair = [self._respondent(a), self._respondent(b, salt="b" if same_file else "")]
        done, together = self.count.done, True
        try:
            samples = ask_all(pair, self.rows, self.settings.scoring, self.count.add)
        except NoRoomError:
            self.one_at_a_time, self.count.done, together = True, done, False
            samples = [s for one in pair for s in ask_all([one], self.rows, self.settings.scoring, self.count.add)]
        return samples, [self._speed(respondent, samples, together) for respondent in pair]

    def ask_control(self, quantization: Quantization) -> list[Sample]:
        """A once more, in reversed order, in a process of its own, nothing taken from memory of the first.

        Nor of an earlier run: the control checks the machine and engine of this one.
        """
        again = self._respondent(self.candidates["a", quantization], salt=f"control {self.fingerprint}")
        samples = ask_all([again], self.rows[::-1], self.settings.scoring[:1], self.count.add)
        return samples[::-1]

    def _respondent(self, candidate: Candidate, salt: str = "") -> Respondent:
        return Respondent(candidate, self.engine, self.settings, self.cache, self.fingerprint, salt=salt)

    def _speed(self, respondent: Respondent, samples: Sequence[Sample], together: bool) -> Speed:
        candidate = respondent.candidate
        scoring = [*freely_written(self.settings.scoring), *self.settings.scoring][0]
        timed = [s for s in samples if s.scoring == scoring]
        return make_speed(
            [s for s in timed if s.model == candidate.side],
            interleaved=together and _asked_in_the_same_run(timed),
            peak_memory_bytes=respondent.peak_memory_bytes,
            gpu_memory_bytes=respondent.gpu_memory_bytes,
            file_size_bytes=candidate.file.path.stat().st_size,
        )

    def _describe_engine(self) -> EngineInfo:
        settings = {**self.engine.answer_settings, **self.engine.speed_settings}
        if self.one_at_a_time:
            settings["models"] = "asked one after the other"
        return EngineInfo(name=self.engine.name, version=self.engine.version, settings=settings)


def _asked_in_the_same_run(samples: Sequence[Sample]) -> bool:
    """Whether each row was asked of both models by one run, so that neither's timing is older than the other's."""
    runs: dict[str, set[str]] = {}
    for sample in samples:
        runs.setdefault(sample.row_id, set()).add(sample.run)
    return all(len(found) == 1 for found in runs.values())
