"""What is decided on validation rows, so that the test rows stay unseen."""

from __future__ import annotations

from so8t_shared.config.model import Config
from so8t_shared.errors import InputError


def demand_validation_rows(config: Config, count: int) -> None:
    """Check that there are validation rows for the keys that need some.

    Raises:
        InputError: there are none.
    """
    wanted = {"ab_test.policy": config.ab_test.policy, "gguf.alternatives": config.gguf.alternatives}
    keys = [key for key, value in wanted.items() if value]
    if keys and not count:
        raise InputError(
            f"There are no validation rows for {' and '.join(keys)}.",
            where="the validation part of the data set",
            remedy="raise dataset.validation_fraction, or mark rows as validation",
        )
