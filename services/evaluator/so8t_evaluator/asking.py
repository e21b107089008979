"""Asks a model for the classes of rows, or reuses a stored answer.

Each answer is stored under the digest of everything that determines it (`answer_key`). A kill loses at most the
answers since the last write of the cache, and another run with the same questions asks nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

from so8t_engines.protocol import (
    Completion,
    Engine,
    LoadedModel,
    ModelFile,
    Outcome,
    PromptTooLongError,
    Question,
)
from so8t_evaluator.answer_key import answer_key
from so8t_evaluator.disturbance import ControlLoad
from so8t_evaluator.kept_text import hash_of, kept_final, kept_text
from so8t_evaluator.rows import apart, prompt_for, warm_up_prompts
from so8t_evaluator.scoring import by_label, likeliest_label, options_for
from so8t_shared.config.model import AbTest
from so8t_shared.labels import INVALID, LABELS
from so8t_shared.models.reading import read_answer
from so8t_shared.results.answers import Answer, Sample
from so8t_shared.results.conversion import ChatInfo
from so8t_shared.results.sides import Side
from so8t_shared.results.training import LabeledRow
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import ORDER, Scoring, freely_written

CHUNK_ROWS = 16
"""Rows that one model is asked before the other has its turn."""


class Cache(Protocol):
    """Storage for answers, such as a Shelf."""

    def get(self, key: str) -> dict[str, Any] | None: ...
    def put(self, key: str, entry: dict[str, Any]) -> None: ...


class StoredAnswer(Answer):
    """An answer as stored under its key, with the model's memory use up to that point."""

    peak_memory_bytes: int | None
    gpu_memory_bytes: int | None
    text_kept: bool = False

    @classmethod
    def of(cls, completion: Completion, *, host: str, fingerprint: str, keep_text: bool) -> StoredAnswer:
        """Parse an engine's answer; where labels were scored, the model wrote nothing but its thinking."""
        reading = read_answer(completion.text)
        scored = completion.logprobs is not None
        decided = likeliest_label(completion) if scored else reading.predicted
        return cls(
            predicted=decided,
            final="" if scored else kept_final(reading.final),
            lenient=decided if scored else reading.lenient,
            text=kept_text(reading.text) if keep_text and not scored else "",
            text_kept=keep_text,
            thinking_chars=len(reading.thinking),
            thinking_sha256=hash_of(reading.thinking) if reading.thinking else "",
            answer_sha256=hash_of(completion.text),
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
            latency_ms=completion.latency_ms,
            ttft_ms=completion.ttft_ms,
            decode_ms=completion.decode_ms,
            cut=completion.cut,
            logprobs=by_label(completion.logprobs),
            upper_bounds=[label for label, bound in zip(LABELS, completion.bounds or (), strict=False) if bound],
            second_look=completion.second_look,
            merged=completion.merged,
            host=host,
            run=fingerprint,
            peak_memory_bytes=completion.peak_memory_bytes,
            gpu_memory_bytes=completion.gpu_memory_bytes,
        )

    @classmethod
    def not_asked(cls, prompt_tokens: int, *, host: str, fingerprint: str) -> StoredAnswer:
        """Return the placeholder for a prompt that does not fit the context."""
        return cls(
            predicted=INVALID,
            final="",
            lenient=INVALID,
            text_kept=True,
            answer_sha256=hash_of(""),
            prompt_tokens=prompt_tokens,
            completion_tokens=0,
            latency_ms=0.0,
            ttft_ms=None,
            over_long=True,
            host=host,
            run=fingerprint,
            peak_memory_bytes=None,
            gpu_memory_bytes=None,
        )


@dataclass(frozen=True)
class Candidate:
    """One model at one quantization."""

    side: Side
    quantization: Quantization
    file: ModelFile
    chat: ChatInfo
    thinks: bool = False
    """Whether it was trained to think before its label."""


@dataclass
class Respondent:
    """A candidate that can be asked; it is loaded when an answer is first missing from the cache."""

    candidate: Candidate
    engine: Engine
    settings: AbTest
    cache: Cache
    fingerprint: str
    """The evaluation's fingerprint, so that answers of an interrupted attempt do not count as reused."""
    salt: str = ""
    """Separates answers that must be asked again, for the control."""
    peak_memory_bytes: int | None = None
    gpu_memory_bytes: int | None = None
    timed: list[Sample] = field(default_factory=list)
    """Answers that were given one at a time, side by side with the other model's, to measure speed."""
    _loaded: LoadedModel | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def ask_many(self, rows: Sequence[LabeledRow], scorings: Sequence[Scoring]) -> Iterator[Sample]:
        """Yield the answers to each row under each scoring, row by row, from the cache where possible.

        Raises:
            NoRoomError: there is no memory for the model beside those already loaded.
            EngineError: the engine died.
            ServerError: a server does not respond.
        """
        asked = [(row, scoring, self._question(row, scoring)) for row in rows for scoring in scorings]
        keys = [self._key(question) for *_, question in asked]
        stored = [self._stored(key) for key in keys]
        missing = [question for (*_, question), answer in zip(asked, stored, strict=True) if answer is None]
        given = self.load().complete_many(missing) if missing else iter(())
        for (row, scoring, _), key, known in zip(asked, keys, stored, strict=True):
            answer = known or self._read(next(given))
            if known is None:
                self.cache.put(key, answer.model_dump())
            yield self._sample(row, scoring, answer)

    def ask_timed(self, row: LabeledRow, scoring: Scoring, load: ControlLoad | None) -> Sample:
        """Return the answer to one row, from the cache if it was timed; raises as `ask_many`."""
        question = self._question(row, scoring)
        key = self._key(question)
        answer = self._stored(key)
        if answer is None or not answer.timed:
            answer = self._timed(question, load)
            self.cache.put(key, answer.model_dump())
        return self._sample(row, scoring, answer)

    def _question(self, row: LabeledRow, scoring: Scoring) -> Question:
        options = options_for(scoring, self.settings, self.candidate.chat, thinks=self.candidate.thinks)
        return Question(prompt_for(row.text, self.candidate.chat, row.before), options)

    def _key(self, question: Question) -> str:
        return answer_key(self.candidate.file, question.prompt, question.options, self.engine, self.salt)

    def _sample(self, row: LabeledRow, scoring: Scoring, answer: StoredAnswer) -> Sample:
        self.peak_memory_bytes = _larger(self.peak_memory_bytes, answer.peak_memory_bytes)
        self.gpu_memory_bytes = _larger(self.gpu_memory_bytes, answer.gpu_memory_bytes)
        return Sample(
            **answer.model_dump(include=set(Answer.model_fields)),
            model=self.candidate.side,
            quantization=self.candidate.quantization,
            scoring=scoring,
            row_id=row.id,
            gold=row.label,
            group=row.group,
            language=row.language,
            category=row.category,
            reused=answer.run != self.fingerprint,
        )

    def close(self) -> None:
        """Unload the model, if it was loaded."""
        self._stack.close()
        self._loaded = None

    def _stored(self, key: str) -> StoredAnswer | None:
        """Return the stored answer, with its text or without, as `keep_answers` says."""
        known = self.cache.get(key)
        answer = StoredAnswer.model_validate(known) if known else None
        if answer is None or self.settings.keep_answers:
            return answer if answer and answer.text_kept else None
        return answer.model_copy(update={"text": ""})

    def load(self) -> LoadedModel:
        """Load the model unless it is loaded."""
        if self._loaded is None:
            warm_up = warm_up_prompts(self.candidate.chat)
            self._loaded = self._stack.enter_context(self.engine.load(self.candidate.file, warm_up))
        return self._loaded

    def _timed(self, question: Question, load: ControlLoad | None) -> StoredAnswer:
        self.load()
        before = load.is_disturbed() if load else None
        (given,) = self.load().complete_many([question])
        disturbed = before or (load.is_disturbed() if load else None)
        return self._read(given).model_copy(update={"timed": True, "disturbed": disturbed})

    def _read(self, given: Outcome) -> StoredAnswer:
        host = self.engine.host
        if isinstance(given, PromptTooLongError):
            return StoredAnswer.not_asked(given.prompt_tokens, host=host, fingerprint=self.fingerprint)
        keep = self.settings.keep_answers
        return StoredAnswer.of(given, host=given.host or host, fingerprint=self.fingerprint, keep_text=keep)


AskedSample = Callable[[Sample], None]


def ask_all(
    respondents: list[Respondent],
    rows: list[LabeledRow],
    scorings: list[Scoring],
    on_sample: AskedSample,
    *,
    timed_rows: int = 0,
) -> list[Sample]:
    """Return every respondent's answer to every row; then `Respondent.timed` holds those to the first `timed_rows`.

    They take turns and alternate who goes first, so that drift on the machine cancels out: by chunks of rows, and row
    by row for those that are timed. These come first, alone and under one scoring, and are answers like others.
    """
    with ExitStack() as stack:
        for respondent in respondents:
            stack.callback(respondent.close)  # close all, even if closing one fails
        time_all(respondents, apart(rows[:timed_rows]), timed_scoring(scorings))
        return ask_in_turns(respondents, rows, scorings, on_sample)


def time_all(respondents: list[Respondent], rows: list[LabeledRow], scoring: Scoring) -> None:
    """Ask the rows one at a time and in turns, and leave the answers in `Respondent.timed`."""
    for respondent in respondents:
        respondent.timed.clear()
    load = ControlLoad.beside(respondents[0].engine) if rows else None
    for (row,), turn in _turns(respondents, rows, 1):
        for respondent in turn:
            respondent.timed.append(respondent.ask_timed(row, scoring, load))


def ask_in_turns(
    respondents: list[Respondent], rows: list[LabeledRow], scorings: list[Scoring], on_sample: AskedSample
) -> list[Sample]:
    """Ask each row's scorings back to back, the written answer first: the others find its prompt in the cache."""
    samples: list[Sample] = []
    last: LabeledRow | None = None
    for chunk, turn in _turns(respondents, rows, CHUNK_ROWS):
        ordered = apart(chunk, last)
        last = ordered[-1]
        for respondent in turn:
            asked = []
            for sample in respondent.ask_many(ordered, sorted(scorings, key=ORDER.index)):
                on_sample(sample)
                asked.append(sample)
            place = {row.id: number for number, row in enumerate(chunk)}
            samples += sorted(asked, key=lambda sample: place[sample.row_id])
    return samples


def _turns(
    respondents: list[Respondent], rows: list[LabeledRow], size: int
) -> Iterator[tuple[list[LabeledRow], list[Respondent]]]:
    for number, start in enumerate(range(0, len(rows), size)):
        yield rows[start : start + size], respondents[:: -1 if number % 2 else 1]


def timed_scoring(scorings: list[Scoring]) -> Scoring:
    """Return the scoring under which speed is measured."""
    return [*freely_written(scorings), *scorings][0]


def as_side(sample: Sample, side: Side) -> Sample:
    """Return the sample under another side's name, for comparing a model with itself."""
    return sample.model_copy(update={"model": side})


def _larger(one: int | None, other: int | None) -> int | None:
    return max((value for value in (one, other) if value is not None), default=None)
