"""An evaluator: an actor with one engine, on any host of the cluster."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Self

from so8t_engines.choice import open_own_engine
from so8t_engines.protocol import LoadedModel, ModelFile, Outcome, Question, Settings
from so8t_shared.artifacts.digests import DigestCache
from so8t_shared.config.model import Config
from so8t_shared.errors import InputError, So8tError
from so8t_shared.results.conversion import CONVERTED_BY
from so8t_shared.running.waiting import completed_artifact
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.store.open import open_store


@dataclass(frozen=True)
class Order:
    """What an evaluator is to do; all of it can be sent to another host."""

    config: str
    """JSON."""
    session: str
    folder: str
    """The run's working folder."""

    @classmethod
    def of(cls, config: Config, session: str, threads: int) -> Self:
        """The order for an engine with that many threads."""
        settings = config.ab_test.model_copy(update={"threads": threads})
        return cls(config.model_copy(update={"ab_test": settings}).model_dump_json(), session, os.getcwd())  # noqa: PTH109


@dataclass(frozen=True)
class Facts:
    """What must be the same for all evaluators, and the host."""

    host: str
    version: str
    settings: Settings


class Evaluator:
    """Errors that a person can act on are returned, not raised: Ray would wrap them."""

    def __init__(self, order: Order) -> None:
        os.chdir(order.folder)
        self._config = Config.model_validate_json(order.config)
        self._session = order.session
        self._engine = open_own_engine(self._config)
        self._loaded: dict[int, tuple[LoadedModel, ExitStack]] = {}
        self._numbers = count()

    def facts(self) -> Facts:
        """Host, version and settings of the engine."""
        return Facts(self._engine.host, self._engine.version, self._engine.answer_settings)

    def load(self, model: ModelFile, warm_up: list[str]) -> int | So8tError:
        """Load a model; return its handle."""
        try:
            stack = ExitStack()
            loaded = stack.enter_context(self._engine.load(self._on_this_host(model), warm_up))
        except So8tError as error:
            return error
        number = next(self._numbers)
        self._loaded[number] = (loaded, stack)
        return number

    def ask(self, handle: int, questions: list[Question]) -> list[Outcome] | So8tError:
        """Answer the questions in their order."""
        try:
            return list(self._loaded[handle][0].complete_many(questions))
        except So8tError as error:
            return error

    def unload(self, handle: int) -> None:
        """Unload a model."""
        self._loaded.pop(handle)[1].close()

    def pid(self) -> int:
        """Id of the evaluator's process."""
        return os.getpid()

    def _on_this_host(self, model: ModelFile) -> ModelFile:
        """The model with its file here: the same path, or downloaded from the conversions of the session.

        Raises:
            InputError: the session's conversions do not have it.
        """
        store = open_store(self._config)
        digests = DigestCache(store.local_root / "digests.sqlite")
        if model.path.is_file() and digests.sha256(model.path) == model.sha256:
            return model
        for stage in CONVERTED_BY.values():
            found: Any = completed_artifact(store, StageMarkers(store, self._session, stage))
            for entry in found[1].files if found else ():
                if entry.sha256 == model.sha256:
                    return replace(model, path=found[0].materialize(found[1], (entry.path,)) / entry.path)
        raise InputError(
            "The model is not in the store.",
            where=f"{model.name}, sha256 {model.sha256[:12]}, {store.location}",
            remedy="run the stage evaluate again",
        )
