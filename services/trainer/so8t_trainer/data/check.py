"""A quick check of the data set before a run: reports in a second what would fail hours later. Imports nothing heavy.

Small sources are read whole; for large ones, only the first row of each file. Training itself reads every row.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from so8t_shared.artifacts.fingerprints import looks_like_hub_name
from so8t_shared.config.model import Config, Dataset
from so8t_shared.errors import InputError
from so8t_trainer.data.formats import data_files
from so8t_trainer.data.hub import hub_is_off
from so8t_trainer.data.policy import declared_source, demand_classes
from so8t_trainer.data.read import Reader, SourceRows
from so8t_trainer.data.rows import Row

_WHOLE_UP_TO_BYTES = 4_000_000
"""Rows of a source of this size are parsed in about a second."""


def check_data(config: Config) -> list[str]:
    """Return notes about `dataset` and `ab_test.test_data`.

    Raises:
        InputError: a source declares no allowed license, a row is unusable, or all rows have one class.
    """
    settings = config.dataset
    places = [_place(f"dataset.paths[{i}]", path, settings.format) for i, path in enumerate(settings.paths)]
    reader = Reader.of(settings)
    rows: list[Row] = []
    for place in places:
        _check_source(place, settings)
        rows += _checked_rows(place, reader)
    whole = all(place.whole for place in places)
    if whole:
        reader.demand_columns()
    if test_data := config.test_data:
        places.append(_place("ab_test.test_data", test_data, "auto"))
        _checked_rows(places[-1], reader.of_tests())
    reader.demand_no_faults()
    if whole:
        demand_classes(rows)
    return [note for place in places for note in place.notes]


def small_source(path: str, reader: Reader, side: str | None = None) -> list[Row] | None:
    """Return the rows of a source; None if it is not on this host, or too large to be read in about a second.

    Raises:
        InputError: a row is unusable.
    """
    place = _place("", path, reader.form)
    rows = _checked_rows(place, reader, side) if place.whole else None
    reader.demand_no_faults()
    return rows


@dataclass(frozen=True)
class _Place:
    """The target of a configured path."""

    path: str
    folder: Path | None
    """The folder of its files, which may hold a card; None if the path does not exist on this host."""
    on_hub: bool
    files: list[Path]
    notes: list[str]

    @property
    def whole(self) -> bool:
        """Whether it is small enough to read whole."""
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
    note = f"{key} = {path} is not a file or folder here, so it is treated as a Hub name"
    if local.parent != Path() and local.parent.is_dir():
        note += f" (there is a folder {local.parent}: is {local.name!r} mistyped?)"
    if variable := hub_is_off():
        note += f"; {variable} is set, so it must already have been downloaded"
    return _Place(path, None, on_hub=True, files=[], notes=[note])


def _check_source(place: _Place, settings: Dataset) -> None:
    """Check the license of a source here or on the Hub; an error says if the path was treated as a Hub name."""
    if place.folder is None and not place.on_hub:
        return
    try:
        declared_source(SourceRows(place.path, place.folder, []), settings.source, settings.policy)
    except InputError as error:
        raise InputError(error.what, where="; ".join(place.notes) or error.where, remedy=error.remedy) from error


def _checked_rows(place: _Place, reader: Reader, side: str | None = None) -> list[Row]:
    """Return all rows of a small source, the first row of each file of a large one, or none for a missing one."""
    if place.whole:
        return reader.source(place.path, side).rows
    return [row for file in place.files for row in reader.head(file)]
