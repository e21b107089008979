"""About the rows that a run will test, before it prepares its data."""

from __future__ import annotations

from so8t_shared.config.model import Config
from so8t_shared.results.training import LabeledRow
from so8t_shared.splits import sides_of_paths
from so8t_trainer.data.check import small_source
from so8t_trainer.data.read import Reader
from so8t_trainer.data.split import expected_test


def expected_test_rows(config: Config) -> list[LabeledRow] | None:
    """Return about the rows that will be tested; None if a source is not on this host or too large for a quick look.

    Neither near duplicates nor rows that the policy leaves out are looked for.

    Raises:
        InputError: a row is unusable.
    """
    settings, test_data = config.dataset, config.test_data
    reader, sides = Reader.of(settings), sides_of_paths(settings.paths)
    sources = [small_source(path, reader, side) for path, side in zip(settings.paths, sides, strict=True)]
    given = small_source(test_data, reader.of_tests()) if test_data else None
    if None in sources or (test_data and given is None):
        return None
    rows = [row for source in sources for row in source or []]
    return [row.exported() for row in expected_test(rows, settings, given)]
