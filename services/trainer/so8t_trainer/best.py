"""The weights of the best validation, in CPU memory, where the training keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from so8t_shared.config.training import Training
from so8t_shared.results.training import TrainingPoint
from so8t_trainer.checkpoint import Restored, cpu_copy, set_weights
from so8t_trainer.course import best_step


class Best:
    """Keeps nothing unless `settings.keeps_best`."""

    def __init__(self, parameters: Mapping[str, nn.Parameter], settings: Training, restored: Restored) -> None:
        """`parameters` have the restored weights, which are the best ones if the checkpoint holds no others."""
        self._parameters = parameters
        self._settings = settings
        self._weights = restored.best
        if not self._weights:
            self.update(restored.points)

    def update(self, points: Sequence[TrainingPoint]) -> None:
        """Copy the current weights if the last of `points` is the best so far."""
        if self._settings.keeps_best and points and best_step(points, self._settings) == points[-1].step:
            self._weights = {name: cpu_copy(parameter) for name, parameter in self._parameters.items()}

    def other_weights(self, points: Sequence[TrainingPoint]) -> dict[str, Tensor]:
        """Return the best weights for a checkpoint; empty if they are the current ones, from the last of `points`."""
        return {} if best_step(points, self._settings) == points[-1].step else self._weights

    def apply(self, points: Sequence[TrainingPoint]) -> None:
        """Give the model the best weights, if it has others."""
        if points and (weights := self.other_weights(points)):
            set_weights(self._parameters, weights)
