"""Where a report comes from: session, date, program, configuration, models and data."""

from __future__ import annotations

from so8t_reporter.inputs import ReportInputs
from so8t_shared.canonical import digest
from so8t_shared.distribution import version
from so8t_shared.results.conversion import CONVERTED_BY
from so8t_shared.results.stamp import CONFIGURATION, CREATED, SESSION


def provenance(inputs: ReportInputs) -> list[tuple[str, str]]:
    """Return names and values; the export fills in what only the session knows."""
    quantization = inputs.evaluation.primary_quantization
    models = [
        (f"Model {side.upper()}, {quantization}, sha256", file.sha256)
        for side, stage in CONVERTED_BY.items()
        for file in inputs.conversion[stage].files
        if file.quantization == quantization
    ]
    rows = [row.model_dump() for row in inputs.test_rows]
    return [
        ("Session", SESSION),
        ("Date", CREATED),
        ("SO8T-AB", version()),
        ("Configuration digest", CONFIGURATION),
        *models,
        ("Test rows, digest", digest(rows)),
        *((f"{name}, digest", value) for name, value in sorted(inputs.input_digests.items())),
    ]
