"""Rows of a data set on the Hub, through the `datasets` package."""

from __future__ import annotations

import os
from collections.abc import Iterator

from so8t_shared.errors import InputError
from so8t_shared.splits import sides
from so8t_trainer.data.class_labels import with_class_names
from so8t_trainer.data.sides import with_side


def read_hub(name: str) -> Iterator[tuple[object, str]]:
    """Yield the rows of all splits of a Hub data set with their locations; a split named `test` stays held out.

    Raises:
        InputError: the data set does not exist, or the Hub cannot be reached.
    """
    import datasets

    try:
        loaded = datasets.load_dataset(name)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise InputError(
            f"There is no such file, and the data set cannot be loaded from the Hub: {str(error).splitlines()[0]}",
            where=name,
            remedy=f"correct dataset.paths, or {_how_to_reach_the_hub()}",
        ) from error
    for (split, rows), side in zip(loaded.items(), sides(list(loaded)), strict=True):
        features = rows.features.to_dict()
        for number, raw in enumerate(rows, start=1):
            yield with_side(with_class_names(raw, features), side), f"{name}, {split} row {number}"


def hub_is_off() -> str:
    """Return the variable that keeps the `datasets` package offline, or ""."""
    names = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")
    return next((name for name in names if os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"}), "")


def _how_to_reach_the_hub() -> str:
    if variable := hub_is_off():
        return f"unset {variable}, which allows only downloaded data sets; in a container, use files instead"
    return "make sure that the Hub can be reached"
