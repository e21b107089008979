"""Sends training's metrics to trackers while training runs; what a tracker does never delays or ends a training."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from logging import Logger
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from so8t_shared.errors import ConfigError
from so8t_shared.redaction import without_secrets
from so8t_shared.results.training import TrainingPoint
from so8t_shared.tables.trackers import BY_NAME, Tracker

_PATIENCE_S = 30.0
"""How long the end of a training waits for metrics that are still on their way."""
_HURRY_S = 2.0
"""The same for a training that was stopped: whoever stopped it may kill it after ten seconds."""


def check_trackers(names: Sequence[str]) -> None:
    """Check that the packages of the trackers are installed.

    Raises:
        ConfigError: one is missing.
    """
    missing = [row for row in map(BY_NAME.__getitem__, names) if find_spec(row.package) is None]
    if missing:
        raise ConfigError(
            f"Metrics cannot be sent to {', '.join(row.name for row in missing)}: the package is not installed.",
            where="training.report_to",
            remedy=f"pip install {' '.join(row.install for row in missing)}, or take it out of the list",
        )


class Tracking:
    """All trackers of one training; each has a thread. Leaving it waits until the metrics have arrived."""

    def __init__(self, names: Sequence[str], run: str, folder: Path, settings: Mapping[str, Any], log: Logger) -> None:
        """Start the trackers; `folder` is for their files, and `settings` is what they show as parameters."""
        self._threads = []
        if names:
            from accelerate import PartialState

            PartialState()  # trackers ask it which process they are in
        for name in names:
            self._threads.append(_Thread(BY_NAME[name], run, folder, flattened(settings), log))

    def log(self, point: TrainingPoint) -> None:
        """Send a step's metrics; returns at once."""
        for thread in self._threads:
            thread.waiting.put((figures(point), point.step))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for thread in self._threads:
            thread.waiting.put(None)
        for thread in self._threads:
            thread.end(_PATIENCE_S if error is None else _HURRY_S)


class _Thread:
    """Feeds one tracker. Its first failure is logged and ends it."""

    def __init__(self, row: Tracker, run: str, folder: Path, settings: dict[str, Any], log: Logger) -> None:
        self.waiting: queue.SimpleQueue[tuple[dict[str, float], int] | None] = queue.SimpleQueue()
        self._row = row
        self._parameters = {name: text.format(run=run, folder=folder) for name, text in row.parameters.items()}
        self._settings = settings
        self._log = log
        self._thread = threading.Thread(target=self._run, name=row.name, daemon=True)
        self._thread.start()

    def end(self, patience_s: float) -> None:
        """Wait until the tracker has everything, but not for long."""
        self._thread.join(patience_s)
        if self._thread.is_alive():
            self._log.warning("%s did not take all metrics within %.0f s", self._row.name, patience_s)

    def _run(self) -> None:
        try:
            self._feed()
        except Exception as error:  # noqa: BLE001 - whatever a tracker or its server does, training continues
            text = without_secrets(" ".join(str(error).split())[:300])
            self._log.warning("metrics are no longer sent to %s: %s: %s", self._row.name, type(error).__name__, text)

    def _feed(self) -> None:
        """All in this thread: MLflow's run belongs to the thread that started it."""
        from accelerate import tracking

        for name, value in self._row.environment.items():
            os.environ.setdefault(name, value)
        tracker = getattr(tracking, self._row.class_name)(**self._parameters)
        tracker.start()
        if self._row.shows_settings:
            tracker.store_init_configuration(self._settings)
        while (item := self.waiting.get()) is not None:
            values, step = item
            tracker.log(values, step=step)
        tracker.finish()


def figures(point: TrainingPoint) -> dict[str, float]:
    """Return the metrics that a step has, by the names that trackers show."""
    found = {f"train/{name}": value for name, value in point.model_dump(exclude={"step", "validation"}).items()}
    found["train/tokens_per_second"] = point.tokens / point.seconds if point.seconds else None
    if point.validation is not None:
        found |= {f"validation/{name}": value for name, value in point.validation.model_dump().items()}
    return {name: value for name, value in found.items() if value is not None}


def flattened(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings with dotted names; lists become texts, as trackers take only plain values."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= flattened(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value if isinstance(value, (bool, int, float, str)) else str(value)
    return found
