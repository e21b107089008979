"""Two steps of a training, to measure it; nothing is kept."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from logging import Logger
from pathlib import Path

from so8t_shared.config.model import Config
from so8t_shared.errors import InputError
from so8t_shared.progress import no_progress
from so8t_shared.results.trial import Trial
from so8t_trainer.base import check_base
from so8t_trainer.hardware import choose_device, choose_dtype, device_name, peak_bytes
from so8t_trainer.loading import load_rows
from so8t_trainer.loop import run_training
from so8t_trainer.model import load_trainee
from so8t_trainer.schedule import total_steps
from so8t_trainer.shortage import explained_shortage, fit_rows

STEPS = 2


class _NoCheckpoints:
    """A place for checkpoints that keeps none."""

    def names(self) -> list[str]:
        return []

    def save(self, name: str, folder: Path) -> None:
        """Keep nothing."""

    def load(self, name: str) -> Path:
        raise InputError(f"There is no checkpoint {name!r}.")

    def drop(self, name: str) -> None:
        """There is nothing to remove."""


@dataclass(frozen=True)
class _Surroundings:
    """What the loop needs besides rows and model."""

    log: Logger
    scratch_dir: Path
    checkpoints: _NoCheckpoints = _NoCheckpoints()  # noqa: RUF009 - it has no state
    stop_requested: bool = False

    def check_held(self) -> None:
        """No other process can take over."""

    def check_interrupted(self) -> None:
        """Signals end the process as usual."""

    def progress(self, done: int, total: int, message: str = "") -> None:
        self.log.info("step %d of %d: %s", done, total, message)


def try_training(config: Config, log: Logger) -> Trial:
    """Take two optimizer steps on the real rows and return what they cost; write nothing.

    Raises:
        InputError: the data or the base is unusable.
        ConfigError: the device is not available, the training does not fit in its memory, or a step shall be chosen by
            validation, but there are no rows for that.
    """
    base, asked = Path(config.base_of_b.base_model), config.training
    device = choose_device(config.device)
    dtype = choose_dtype(asked.dtype, device)
    check_base(base)
    rows = load_rows(config, base, log, no_progress).rows
    fit = fit_rows(base, rows, asked, device, dtype)
    settings = fit.settings.model_copy(update={"max_steps": STEPS})
    with tempfile.TemporaryDirectory() as folder, explained_shortage(fit, device, _NoCheckpoints()):
        trainee = load_trainee(base, settings, device, dtype)
        points = run_training(trainee, rows, settings, _Surroundings(log, Path(folder)))
    return Trial(
        steps=total_steps(len(rows), asked),
        seconds_per_step=points[-1].seconds,
        tokens_per_step=points[-1].tokens,
        peak_bytes=peak_bytes(device),
        predicted_bytes=fit.needed.total,
        free_bytes=fit.room.free_bytes,
        device=device_name(device),
        chosen=fit.why,
    )
