"""Reads rows from files, folders and the Hub, with errors that name the file and the line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from so8t_shared import formatting as fmt
from so8t_shared.artifacts.fingerprints import looks_like_hub_name
from so8t_shared.config.model import Dataset
from so8t_shared.errors import InputError
from so8t_shared.splits import sides
from so8t_trainer.data.faults import all_faults
from so8t_trainer.data.formats import FORMATS, Located, data_files, read_head, read_or_fault
from so8t_trainer.data.hub import read_hub
from so8t_trainer.data.rows import Row, RowFormat, parse_row
from so8t_trainer.data.sides import with_side


@dataclass(frozen=True)
class SourceRows:
    """All rows of one configured path."""

    path: str
    folder: Path | None
    """The folder that may hold a dataset_card.yaml; None for a Hub data set."""
    rows: list[Row]
    encodings: Mapping[str, int] = field(default_factory=dict)
    """Encoding of its text files to the number of these files."""

    @property
    def schema(self) -> str:
        """The detected shape, or several with their counts."""
        return _counted(Counter(row.schema for row in self.rows))

    @property
    def encoding(self) -> str:
        """The encoding of its text files, or several with their counts; empty without text files."""
        return _counted(Counter(self.encodings))


def _counted(counts: Counter[str]) -> str:
    if len(counts) <= 1:
        return next(iter(counts), "")
    return ", ".join(f"{name} ({count})" for name, count in counts.most_common())


@dataclass
class Reader:
    """Reads sources in the format of one configuration, and collects what cannot be read."""

    form: str = "auto"
    encoding: str = "auto"
    rows: RowFormat = field(default_factory=RowFormat)
    faults: list[InputError] = field(default_factory=list)

    @classmethod
    def of(cls, settings: Dataset) -> Reader:
        """Return the reader that the configuration describes."""
        return cls(settings.format, settings.encoding, RowFormat.of(settings))

    def source(self, path: str, side: str | None = None) -> SourceRows:
        """Read a file, a folder (all data files in it, sorted) or a Hub data set; rows that fail become faults.

        `side` is that of a path which says it by its name, as one of several.

        Raises:
            InputError: the path does not exist, or there are no rows at all.
        """
        local, faults = Path(path), len(self.faults)
        encodings: Counter[str] = Counter()
        if local.is_dir():
            located = self._folder(local, side, encodings)
        elif local.is_file():
            located = (
                (with_side(raw, side), where)
                for raw, where in read_or_fault(local, self.form, self.encoding, encodings)
            )
        elif self.form == "hub" or (self.form == "auto" and looks_like_hub_name(path)):
            located = read_hub(path)
        else:
            raise InputError("The data set does not exist.", where=path, remedy="correct the path in dataset.paths")
        rows = list(self.parsed(located))
        if not rows and len(self.faults) == faults:
            raise InputError("The data set is empty.", where=path, remedy=f"add rows as {', '.join(FORMATS)}")
        folder = None if not local.exists() else local if local.is_dir() else local.parent
        return SourceRows(path, folder, rows, encodings)

    def head(self, path: Path) -> list[Row]:
        """Return the first row of a large file, without reading all of it; none if it is a fault."""
        try:
            return list(self.parsed(islice(read_head(path, self.form, self.encoding), 1)))
        except InputError as error:
            self.faults.append(error)
            return []

    def of_tests(self) -> Reader:
        """Return a reader for `ab_test.test_data`: of any format, with the same faults."""
        return replace(self, form="auto")

    def parsed(self, located: Iterable[Located]) -> Iterator[Row]:
        """Yield the rows; a row that fails becomes a fault."""
        for raw, where in located:
            try:
                yield parse_row(raw, where, self.rows)
            except InputError as error:
                self.faults.append(error)

    def _folder(self, folder: Path, side: str | None, encodings: Counter[str]) -> Iterator[Located]:
        """Yield the records of all its files; records of a file named `test` or `val` get that side."""
        files = data_files(folder, self.form)
        names = [file.relative_to(folder).as_posix() for file in files]
        for file, its_own in zip(files, sides(names), strict=True):
            records = read_or_fault(file, self.form, self.encoding, encodings)
            yield from ((with_side(raw, its_own or side), where) for raw, where in records)

    def demand_columns(self) -> None:
        """Make it a fault if no record had a field that `dataset.columns` names."""
        missing = [name for name in self.rows.columns.values() if name not in self.rows.seen]
        if missing:
            what = f"No row has {fmt.plural(len(missing), 'the field', 'the fields')} {', '.join(missing)}."
            fault = InputError(what, where="dataset.columns", remedy="write the names as they are in the files")
            self.faults.insert(0, fault)

    def demand_no_faults(self) -> None:
        """Raise all faults as one error.

        Raises:
            InputError: there are faults.
        """
        if self.faults:
            raise all_faults(self.faults)


def read_source(path: str, form: str = "auto") -> SourceRows:
    """Read a file, a folder or a Hub data set, every row of it.

    Raises:
        InputError: the path does not exist, there are no rows, or some cannot be read: it names all of these.
    """
    reader = Reader(form)
    source = reader.source(path)
    reader.demand_no_faults()
    return source
