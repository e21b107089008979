"""A quick look at the data set before a run: what would fail hours later, told in a second. Imports nothing heavy.

Small sources are read whole, of large ones the first row of each file: the training itself reads every row again.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from so8t_shared.artifacts.fingerprints import looks_like_hub_name
from so8t_shared.config.model import Config, Dataset
from so8t_shared.errors import InputError
from so8t_trainer.data.hub import hub_is_off
from so8t_trainer.data.policy import declared_source, demand_classes
from so8t_trainer.data.read import SourceRows, data_files, read_head, read_source
from so8t_trainer.data.rows import Row, parse_row
from so8t_trainer.data.sides import is_named_test

_WHOLE_UP_TO_BYTES = 4_000_000
"""Rows of a source of this size are parsed in about a second."""


def check_data(config: Config) -> list[str]:
    """What is worth a note about `dataset` and `ab_test.test_data`.

    Raises:
        InputError: a source declares no allowed license, a row of it cannot be used, or all are of one class.
    """
    settings = config.dataset
    places = [_place(f"dataset.paths[{i}]", path, settings.format) for i, path in enumerate(settings.paths)]
    rows: list[Row] = []
    for place in places:
        _check_source(place, settings)
        found = _checked_rows(place, settings.format)
        place.notes.extend(_seems_held_out(place, found))
        rows += found
    if all(place.whole for place in places):
        demand_classes(rows)
    if test_data := config.ab_test.test_data:
        places.append(_place("ab_test.test_data", test_data, "auto"))
        _checked_rows(places[-1], "auto")
    return [note for place in places for note in place.notes]


@dataclass(frozen=True)
class _Place:
    """Where a configured path leads."""

    path: str
    folder: Path | None
    """The folder of its files, where a card may lie; None when nothing of that name is on this host."""
    on_hub: bool
    files: list[Path]
    notes: list[str]

    @property
    def whole(self) -> bool:
        """Whether it is small enough to be read whole."""
        return bool(self.files) and sum(file.stat().st_size for file in self.files) <= _WHOLE_UP_TO_BYTES


def _place(key: str, path: str, form: str) -> _Place:
    local = Path(path)
    if local.is_dir():
        return _Place(path, local, on_hub=False, files=data_files(local, form), notes=[])
    if local.exists():
        return _Place(path, local.parent, on_hub=False, files=[local], notes=[])
    if form != "hub" and not (form == "auto" and looks_like_hub_name(path)):
        note = f"{key} = {path} does not exist on this host"
        return _Place(path, None, on_hub=False, files=[], notes=[note])
    note = f"{key} = {path} is no file or folder here, so it is taken as a Hub name"
    if local.parent != Path() and local.parent.is_dir():
        note += f" (there is a folder {local.parent}: is {local.name!r} mistyped?)"
    if variable := hub_is_off():
        note += f"; {variable} is set, so it must have been downloaded already"
    return _Place(path, None, on_hub=True, files=[], notes=[note])


def _check_source(place: _Place, settings: Dataset) -> None:
    """The license, of all that is here or on the Hub; an error about a Hub name says that it was taken as one."""
    if place.folder is None and not place.on_hub:
        return
    try:
        declared_source(SourceRows(place.path, place.folder, []), settings.source, settings.policy)
    except InputError as error:
        raise InputError(error.what, where="; ".join(place.notes) or error.where, remedy=error.remedy) from error


def _checked_rows(place: _Place, form: str) -> list[Row]:
    """All rows of a small source, the first ones of each file of a large one, none where nothing is here."""
    if place.whole:
        return read_source(place.path, form).rows
    return [parse_row(raw, where) for file in place.files for raw, where in islice(read_head(file, form), 1)]


def _seems_held_out(place: _Place, rows: list[Row]) -> list[str]:
    """A note about a test file given by itself: unlike in a folder, its name is not part of what a run depends on."""
    if place.folder is None or Path(place.path).is_dir() or not is_named_test(Path(place.path).name):
        return []
    if all(row.split for row in rows):
        return []
    return [
        f"{place.path} is read like any file of rows, although its name says test: to hold them out, mark them"
        " split: test, name the folder with the training file beside it, or set ab_test.test_data"
    ]
