"""What a training will cost: predicted, or measured by two steps."""

from __future__ import annotations

import logging

from so8t_shared.config.model import Config
from so8t_shared.distribution import need_extras
from so8t_shared.errors import So8tError
from so8t_shared.planning.preflight import check_device
from so8t_shared.processes import check_stages_can_run
from so8t_shared.results.trial import Trial
from so8t_shared.tables.functions import named

_MEMORY = "so8t_trainer.planned:planned_memory"
_TRIAL = "so8t_trainer.trial:try_training"
_PACKAGES = ["so8t_trainer"]


def memory_of_training(config: Config) -> str | None:
    """Return a sentence on the memory that training needs; None if its packages or the model are not on this host."""
    predict = named(_MEMORY)
    sentence: str | None = predict(config) if predict else None
    return sentence


def elsewhere(config: Config) -> str:
    """Say why training would not run on this host; '' if it would."""
    if config.external_b:
        return f"{config.external_b} is tested as it is."
    try:
        need_extras(_PACKAGES)
        check_stages_can_run("so8t-ab run")
        check_device(config)
    except So8tError as error:
        return error.what
    return ""


def try_training(config: Config) -> Trial:
    """Take two training steps here, without writing anything.

    Raises:
        MissingExtra: the packages that train are not installed.
        InputError: the data or the base is unusable.
        ConfigError: the training does not fit on this host.
    """
    need_extras(_PACKAGES)
    found: Trial = named(_TRIAL)(config, logging.getLogger("so8t-ab.trial"))
    return found
