"""What a training will cost: predicted, or measured by two steps."""

from __future__ import annotations

import logging

from so8t_shared.config.model import Config
from so8t_shared.distribution import need_extras
from so8t_shared.results.trial import Trial
from so8t_shared.tables.functions import named

_MEMORY = "so8t_trainer.planned:planned_memory"
_TRIAL = "so8t_trainer.trial:try_training"


def memory_of_training(config: Config) -> str | None:
    """Return a sentence on the memory that training needs; None if its packages or the model are not on this host."""
    predict = named(_MEMORY)
    sentence: str | None = predict(config) if predict else None
    return sentence


def try_training(config: Config) -> Trial:
    """Take two training steps here, without writing anything.

    Raises:
        MissingExtra: the packages that train are not installed.
        InputError: the data or the base is unusable.
        ConfigError: the training does not fit on this host.
    """
    need_extras(["so8t_trainer"])
    found: Trial = named(_TRIAL)(config, logging.getLogger("so8t-ab.trial"))
    return found
