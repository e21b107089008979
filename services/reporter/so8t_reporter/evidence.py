"""Assembles the results again from the files in an unpacked evidence bundle, by the code of the report stage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from so8t_reporter.assembly import assemble_results
from so8t_reporter.inputs import ReportInputs, ReportSettings, load_inputs
from so8t_shared.bundles.contents import config_of, document
from so8t_shared.bundles.recomputed import Recomputed, differences, values_in
from so8t_shared.results.conversion import CONVERTED_BY
from so8t_shared.running.export import RESULTS_FILE

_RESULTS = f"report/{RESULTS_FILE}"
_TRAINING = "train/training.json"
_OF_THE_FIRST = ("session_id", "so8t_ab_version")
"""Sessions share equal reports, so these name the first of them and the version that wrote it."""


def recompute(folder: Path, configuration: dict[str, Any], *, texts: bool) -> Recomputed:  # noqa: ARG001
    """Compare ab_test_results.json with what the other files give: figures, counts and the sentence.

    Raises:
        IntegrityError: a file is damaged.
    """
    config = config_of(configuration)
    recorded = document((folder / _RESULTS).read_bytes(), _RESULTS)
    settings = ReportSettings.from_config(config, str(recorded.get("session_id")))
    results = assemble_results(inputs_of(folder), settings)
    computed = json.loads(results.model_dump_json())
    computed |= {key: recorded.get(key) for key in _OF_THE_FIRST}
    return Recomputed([*differences(recorded, computed, _RESULTS)], values_in(computed))


def inputs_of(folder: Path) -> ReportInputs:
    """What the report stage read, from a bundle's folder; an external model B has no training.

    Raises:
        IntegrityError: a file is damaged.
    """
    return load_inputs(
        evaluate=folder / "evaluate",
        conclude=folder / "conclude",
        train=folder / "train",
        converted={stage: folder / stage for stage in CONVERTED_BY.values()},
        imported=folder / "import",
        trained=(folder / _TRAINING).is_file(),
    )
