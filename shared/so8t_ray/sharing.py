"""One engine for the evaluate stage that several hosts answer for.

Each evaluator is an actor with an engine of its own. It gets one prompt, and the next one when it has answered.
An answer depends on the model, the prompt and the options alone (see `so8t_engines.protocol`), so who gave it makes no
difference. The answers come back in the order of the questions. Those of a lost evaluator are asked again.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError

from so8t_engines.protocol import Engine, EngineError, LoadedModel, ModelFile, Outcome, Question, Settings
from so8t_ray.cluster import demands, hosts, join
from so8t_ray.evaluator import Evaluator, Facts, Order
from so8t_shared.config.model import Config
from so8t_shared.errors import ConfigError, So8tError
from so8t_shared.interruption import stop_of_process
from so8t_shared.stages import stage_named
from so8t_shared.tables import engines

_START_S = 600.0
_OTHERS_S = 30.0
"""The longest wait for the first evaluator, and for each other one."""
_CLOSE_S = 10.0
_LOST_IN_A_ROW = 3
"""Evaluators lost without an answer in between, after which the questions are to blame."""


def is_shared(config: Config) -> bool:
    """Whether several evaluators share the rows."""
    return config.execution.ray.evaluators > 1 and engines.BY_NAME[config.ab_test.engine].in_process


def share(config: Config, session: str, engine: Engine, on_wait: Callable[[str], None]) -> Engine:
    """The engine with `execution.ray.evaluators` evaluators on the cluster, or the same if there is one."""
    return SharedEngine(config, session, engine, on_wait) if is_shared(config) else engine


@dataclass
class _Evaluator:
    """One actor, and the handles of the models that it has loaded, by name."""

    actor: Any
    loaded: dict[str, int] = field(default_factory=dict)
    lost: bool = False


class SharedEngine:
    """The evaluators as one engine; see `Engine`."""

    def __init__(self, config: Config, session: str, own: Engine, on_wait: Callable[[str], None]) -> None:
        join(config.execution.ray)
        self._count = config.execution.ray.evaluators
        among = hosts()
        per_host = -(-self._count // max(1, len(among)))
        self._needs = demands(stage_named("evaluate"), config, among, share=per_host)
        threads = config.ab_test.threads or int(self._needs["num_cpus"])
        self._needs["num_cpus"] = threads
        self._order = Order.of(config, session, threads)
        self._own = own
        self._on_wait = on_wait
        self.name = own.name
        self._evaluators: list[_Evaluator] = []
        self._host = ""
        self._threads = threads

    @property
    def version(self) -> str:
        """Version of the software, the same everywhere."""
        return self._own.version

    @property
    def host(self) -> str:
        """Host of the first evaluator, which answers what is timed."""
        if not self._host:
            self.fill()
        return self._host

    @property
    def answer_settings(self) -> Settings:
        """Settings that can change an answer, the same everywhere."""
        return self._own.answer_settings

    @property
    def speed_settings(self) -> Settings:
        """Settings that only change timings."""
        return {"threads": self._threads, "evaluators": len(self._evaluators) or self._count}

    def load(self, model: ModelFile, warm_up: Sequence[str]) -> SharedModel:
        """Have every evaluator load the model; see `Engine.load`."""
        self.fill()
        shared = SharedModel(self, model, warm_up)
        try:
            shared.load_everywhere()
        except BaseException:
            shared.close()
            raise
        return shared

    @property
    def alive(self) -> list[_Evaluator]:
        """The evaluators that are not lost."""
        return [each for each in self._evaluators if not each.lost]

    def fill(self) -> None:
        """Start evaluators until there are as many as configured, and check that they are alike.

        Those for which no host has room are left out, unless there is no other.
        """
        self._evaluators = self.alive
        new = [self._new() for _ in range(self._count - len(self._evaluators))]
        facts = [each.actor.facts.remote() for each in new]
        for each, reference in zip(new, facts, strict=True):
            if self._has_started(reference):
                self._evaluators.append(each)
            else:
                ray.kill(each.actor)
        if not self._evaluators:
            raise EngineError(
                "No evaluator could be started.",
                where=f"the Ray cluster; each evaluator needs {self._needs}",
                remedy="see 'ray status'; then run the same command again",
            )
        if len(self._evaluators) < self._count:
            self._on_wait(f"{len(self._evaluators)} of {self._count} evaluators have room and share the rows")

    def _new(self) -> _Evaluator:
        remote = ray.remote(max_restarts=0, max_task_retries=0)(Evaluator)
        return _Evaluator(remote.options(**self._needs, scheduling_strategy="SPREAD").remote(self._order))

    def _has_started(self, reference: Any) -> bool:
        try:
            facts: Facts = self.result(reference, _OTHERS_S if self._evaluators else _START_S)
        except (GetTimeoutError, RayActorError):  # no host has room for it, or the host was lost
            return False
        self._check_alike(facts)
        self._host = self._host or facts.host
        return True

    def _check_alike(self, facts: Facts) -> None:
        if (facts.version, facts.settings) != (self.version, self.answer_settings):
            raise ConfigError(
                "An evaluator's engine answers under other conditions.",
                where=f"{facts.host}: {facts.version}, {facts.settings}; here: {self.version}, {self.answer_settings}",
                remedy="install the same versions on each host, and use hosts of the same kind",
            )

    def result(self, reference: Any, timeout_s: float = math.inf) -> Any:
        """What an evaluator returned; a stop request ends the wait.

        Raises:
            So8tError: what the evaluator met.
            RayActorError: the evaluator was lost.
            GetTimeoutError: it has not answered in time.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            stop_of_process().check()
            try:
                answer = ray.get(reference, timeout=1.0)
            except GetTimeoutError:
                if time.monotonic() > deadline:
                    raise
                continue
            if isinstance(answer, So8tError):
                raise answer
            return answer


class SharedModel(LoadedModel):
    """One model, loaded by each evaluator."""

    def __init__(self, engine: SharedEngine, model: ModelFile, warm_up: Sequence[str]) -> None:
        self._engine = engine
        self._model = model
        self._warm_up = list(warm_up)

    def load_everywhere(self) -> None:
        """Load the model at all evaluators at the same time; one that is lost meanwhile is left out."""
        asked = [(each, self._load(each)) for each in self._engine.alive if self._model.name not in each.loaded]
        for each, reference in asked:
            try:
                each.loaded[self._model.name] = self._engine.result(reference)
            except RayActorError:
                each.lost = True
        if not self._engine.alive:
            self._engine.fill()
            self.load_everywhere()

    def complete_many(self, questions: Sequence[Question]) -> Iterator[Outcome]:
        """Have each evaluator answer one prompt at a time; see `LoadedModel.complete_many`."""
        pieces = _pieces(questions)
        waiting, given, next_piece = deque(range(len(pieces))), dict[int, list[Outcome]](), 0
        busy: dict[Any, tuple[_Evaluator, int]] = {}
        lost = 0
        while next_piece < len(pieces):
            self._hand_out(waiting, busy, pieces)
            ready, _ = ray.wait(list(busy), timeout=1.0)
            stop_of_process().check()
            for reference in ready:
                evaluator, number = busy.pop(reference)
                try:
                    given[number] = self._engine.result(reference)
                    lost = 0
                except RayError as error:
                    lost += 1
                    self._give_up(evaluator, error, lost)
                    waiting.appendleft(number)
            while next_piece in given:
                yield from given.pop(next_piece)
                next_piece += 1

    def close(self) -> None:
        """Have all evaluators unload the model."""
        ends = [
            each.actor.unload.remote(each.loaded.pop(self._model.name))
            for each in self._engine.alive
            if self._model.name in each.loaded
        ]
        with suppress(RayError):
            ray.get(ends, timeout=_CLOSE_S)

    def _load(self, evaluator: _Evaluator) -> Any:
        return evaluator.actor.load.remote(self._model, self._warm_up)

    def _hand_out(
        self, waiting: deque[int], busy: dict[Any, tuple[_Evaluator, int]], pieces: list[list[Question]]
    ) -> None:
        """Give each idle evaluator a piece, the first one first: what is asked alone is asked of it."""
        if not self._engine.alive:
            self.load_everywhere()
        working = {id(each) for each, _ in busy.values()}
        for each in self._engine.alive:
            if waiting and id(each) not in working:
                number = waiting.popleft()
                busy[each.actor.ask.remote(each.loaded[self._model.name], pieces[number])] = (each, number)

    def _give_up(self, evaluator: _Evaluator, error: RayError, in_a_row: int) -> None:
        evaluator.lost = True
        if in_a_row >= _LOST_IN_A_ROW:
            raise EngineError(
                f"{in_a_row} evaluators were lost one after the other: {type(error).__name__}.",
                where=self._model.name,
                remedy="see 'ray status'; then run the same command again: the answers so far are kept",
            ) from error


def _pieces(questions: Sequence[Question]) -> list[list[Question]]:
    """The questions in order, by prompt: so small that no evaluator waits long for the last one."""
    return [list(group) for _, group in groupby(questions, key=lambda question: question.prompt)]
