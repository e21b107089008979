"""Asks the whole grid: both models at every quantization under every scoring, and A again as a control."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from so8t_engines.protocol import Engine, NoRoomError
from so8t_evaluator.answer_key import shelf_digest
from so8t_evaluator.asking import Candidate, Respondent, ask_all
from so8t_evaluator.asking_until import Ended, Until, ask_until, ask_until_apart
from so8t_evaluator.speed import make_speed
from so8t_shared.artifacts.shelves import Shelves
from so8t_shared.config.model import AbTest
from so8t_shared.progress import Progress
from so8t_shared.results.answers import Sample
from so8t_shared.results.evaluation import EngineInfo, Speed
from so8t_shared.results.sides import SIDES, Side
from so8t_shared.results.stopped import Stopped
from so8t_shared.results.training import LabeledRow
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import scored

_CONTROL = "control 1"
"""Separates the answers of the first repetition from A's first answers, which they are compared with."""


@dataclass
class Count:
    """Counts answers and reports progress."""

    total: int
    progress: Progress
    on_answer: Callable[[Sample], None] = lambda sample: None
    done: int = 0

    def add(self, sample: Sample) -> None:
        """Count one more answer."""
        self.on_answer(sample)
        self.add_untested(sample)

    def add_untested(self, sample: Sample) -> None:
        """Count one more answer to a row that is not a test row."""
        self.done += 1
        self.say(f"{sample.quantization} {sample.model} {sample.scoring}")

    def say(self, message: str) -> None:
        """Report a message without counting."""
        self.progress(self.done, self.total, message)


@dataclass(frozen=True)
class Asked:
    """All answers; within one model and setting they are in row order."""

    samples: Sequence[Sample]
    again: Sequence[Sample]
    """A's repeated answers at the primary quantization under the first scoring; empty without a control."""
    speed: Sequence[Speed]
    engine: EngineInfo
    stopped: Stopped | None = None
    """Where the asking ended, if it could end early."""
    validation: Sequence[Sample] = ()
    """The answers to the validation rows."""


@dataclass
class Grid:
    """The models, rows and engine of an evaluation."""

    candidates: dict[tuple[Side, Quantization], Candidate]
    rows: list[LabeledRow]
    engine: Engine
    settings: AbTest
    cache: Shelves
    fingerprint: str
    """The evaluation's fingerprint."""
    count: Count
    until: Until | None = None
    """What may end the asking at the primary quantization; the others are then asked the same rows."""
    validation: list[LabeledRow] = field(default_factory=list)
    """More rows to ask all models, for their probabilities alone."""
    stopped: Stopped | None = None
    one_at_a_time: bool = False
    """Whether a pair did not fit in memory together, so that drift on the machine did not cancel out."""

    def ask(self, quantizations: Sequence[Quantization], primary: Quantization) -> Asked:
        """Ask everything.

        Raises:
            InputError: a model cannot be loaded.
            EngineError: the engine died.
            ServerError: a server no longer responds.
        """
        order = sorted(quantizations, key=lambda name: name != primary) if self.until else quantizations
        pairs = {quantization: self.ask_pair(quantization) for quantization in order}
        samples = [s for quantization in quantizations for s in pairs[quantization][0]]
        speed = [s for quantization in quantizations for s in pairs[quantization][1]]
        again = self.ask_control(primary) if self.settings.control else []
        validation = [s for quantization in quantizations for s in self.ask_validation(quantization)]
        return Asked(samples, again, speed, self._describe_engine(), self.stopped, validation)

    def ask_pair(self, quantization: Quantization) -> tuple[list[Sample], list[Speed]]:
        """Ask A and B at one quantization side by side, or one after the other if both do not fit in memory."""
        a, b = (self.candidates[side, quantization] for side in SIDES)
        same_file = a.file.sha256 == b.file.sha256
        # with one file, B would reuse A's stored answers, and comparing copies proves nothing
        pair = [self._respondent(a), self._respondent(b, salt="b" if same_file else "")]
        done, together = self.count.done, True
        try:
            samples = self._ask_together(pair)
        except NoRoomError:
            self.one_at_a_time, self.count.done, together = True, done, False
            samples = self._ask_apart(pair)
        together = together and _asked_in_the_same_run([s for one in pair for s in one.timed])
        return samples, [self._speed(respondent, interleaved=together) for respondent in pair]

    def ask_control(self, quantization: Quantization) -> list[Sample]:
        """Ask A again in reversed order, in a separate process, without reusing any of its first answers.

        Only the answers of an earlier control are reused, so that the models of a study share one: they, too, were
        given when A was asked a second time, by the same engine with the same settings on the same host.
        """
        again = self._respondent(self.candidates["a", quantization], salt=_CONTROL)
        samples = ask_all([again], self.rows[::-1], self.settings.scoring[:1], self.count.add)
        return samples[::-1]

    def ask_validation(self, quantization: Quantization) -> list[Sample]:
        """Ask A and then B the validation rows, after all that is tested and timed."""
        if not self.validation:
            return []
        pair = [self._respondent(self.candidates[side, quantization]) for side in SIDES]
        scoring = scored(self.settings.scoring)[:1]
        return [s for one in pair for s in ask_all([one], self.validation, scoring, self.count.add_untested)]

    def _respondent(self, candidate: Candidate, salt: str = "") -> Respondent:
        shelf = self.cache.shelf(shelf_digest(candidate.file, self.engine))
        return Respondent(candidate, self.engine, self.settings, shelf, self.fingerprint, salt=salt)

    def _ask_together(self, pair: list[Respondent]) -> list[Sample]:
        if self.until and not self.stopped:
            return self._ended(ask_until(pair, self.until, self.settings.scoring, self.count.add), self.until)
        return self._ask_all(pair)

    def _ask_apart(self, pair: list[Respondent]) -> list[Sample]:
        if self.until and not self.stopped:
            a, b = pair
            ended = ask_until_apart(a, b, self.until, self.settings.scoring, self.count.add)
            return self._ended(ended, self.until)
        return [s for one in pair for s in self._ask_all([one])]

    def _ended(self, ended: Ended, until: Until) -> list[Sample]:
        """Keep to the rows asked from now on."""
        samples, self.stopped = ended
        self.rows = until.rows[: self.stopped.rows]
        left = len(self.candidates) // len(SIDES) - 1
        answers_per_row = len(SIDES) * left * len(self.settings.scoring) + self.settings.control
        on_validation = len(self.candidates) * len(self.validation)
        self.count.total = self.count.done + answers_per_row * len(self.rows) + on_validation
        self.count.say(self.stopped.ending)
        return samples

    def _ask_all(self, respondents: list[Respondent]) -> list[Sample]:
        timed = self.settings.speed_samples
        return ask_all(respondents, self.rows, self.settings.scoring, self.count.add, timed_rows=timed)

    def _speed(self, respondent: Respondent, *, interleaved: bool) -> Speed:
        return make_speed(
            respondent.timed,
            interleaved=interleaved,
            peak_memory_bytes=respondent.peak_memory_bytes,
            gpu_memory_bytes=respondent.gpu_memory_bytes,
            file_size_bytes=respondent.candidate.file.size_bytes,
        )

    def _describe_engine(self) -> EngineInfo:
        settings = {**self.engine.answer_settings, **self.engine.speed_settings}
        if self.one_at_a_time:
            settings["models"] = "asked one after the other"
        return EngineInfo(name=self.engine.name, version=self.engine.version, settings=settings)


def _asked_in_the_same_run(samples: Sequence[Sample]) -> bool:
    """Whether one run asked both models each row, so that neither model's timing is older."""
    runs: dict[str, set[str]] = {}
    for sample in samples:
        runs.setdefault(sample.row_id, set()).add(sample.run)
    return all(len(found) == 1 for found in runs.values())
