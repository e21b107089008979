"""One model on several servers, which share the questions.

Each server gets its part by a fixed rule. Where a server stops answering, the next one takes over its part whole. An
answer depends on neither, as long as the servers run on machines of the same kind.

Several requests at once to one server would not do instead: it computes them in one batch, whose size depends on when
they arrive, and answers change with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import groupby, pairwise
from threading import Event, Lock

from so8t_engines.protocol import LoadedModel, Outcome, Question
from so8t_shared.errors import ServerError


class SharedModel(LoadedModel):
    """The same model, loaded on each server."""

    def __init__(self, models: Sequence[LoadedModel]) -> None:
        self._models = models
        self._gone: dict[int, ServerError] = {}
        self._locks = [Lock() for _ in models]

    def complete_many(self, questions: Sequence[Question]) -> Iterator[Outcome]:
        """Have all servers answer their parts at the same time; see `LoadedModel.complete_many`."""
        stopped = Event()
        with ThreadPoolExecutor(len(self._models)) as pool:
            parts = divide(questions, len(self._models))
            given = [pool.submit(self._ask, number, part, stopped) for number, part in enumerate(parts)]
            try:
                for one in given:
                    yield from one.result()
            finally:
                stopped.set()

    def close(self) -> None:
        """Have all servers unload the model."""
        with ExitStack() as stack:
            for model in self._models:
                stack.callback(model.close)

    def _ask(self, number: int, questions: Sequence[Question], stopped: Event) -> list[Outcome]:
        """Return the answers of server `number`, or of the next one that answers."""
        for place in (*range(number, len(self._models)), *range(number)):
            with self._locks[place]:
                if questions and place in self._gone:
                    continue
                try:
                    return _until(stopped, self._models[place].complete_many(questions))
                except ServerError as error:
                    self._gone[place] = error
        raise self._gone[number]


def _until(stopped: Event, answers: Iterator[Outcome]) -> list[Outcome]:
    given = []
    for answer in answers:
        given.append(answer)
        if stopped.is_set():
            break
    return given


def divide(questions: Sequence[Question], parts: int) -> list[list[Question]]:
    """Return the questions in order in that many parts; those with the same prompt stay together."""
    together = [list(group) for _, group in groupby(questions, key=lambda question: question.prompt)]
    ends = [round(len(together) * number / parts) for number in range(parts + 1)]
    chosen = [together[start:end] for start, end in pairwise(ends)]
    return [[question for group in groups for question in group] for groups in chosen]
