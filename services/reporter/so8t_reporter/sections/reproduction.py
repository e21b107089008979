"""How to reproduce the result."""

from __future__ import annotations

from so8t_reporter.document import Code, Facts, Paragraph, Section
from so8t_reporter.inputs import ReportInputs
from so8t_shared.distribution import version

_COMMANDS = """\
# computes everything again, in separate folders (with a bucket, also --set store.bucket=another)
so8t-ab run -c config.yaml --set checkpoint_dir=again/store --set output_base_dir=again/results

so8t-ab plan -c config.yaml           # what would run, what is reused, and why
so8t-ab run -c config.yaml            # resumes; finished stages are read from the store, not computed again
so8t-ab run -c config.yaml --gate     # exit code 10 if B may not ship
"""


def reproduction_section(inputs: ReportInputs) -> Section:
    """Engine, locations and commands; `config.yaml` stands for the reader's file."""
    engine = inputs.evaluation.engine
    return Section(
        "reproduction",
        "How to reproduce this result",
        [
            Paragraph(
                "The same configuration, model, data set and versions, on the same kind of CPU with the same number of"
                " threads, give the same answers and figures; only timings differ. On a GPU or another CPU, rounding"
                " differences in training and inference may change an occasional answer. Results that are already in"
                " the store are reused, not computed again, so use a separate store to check them."
            ),
            Code("Commands", _COMMANDS),
            Facts(
                [
                    (
                        "Configuration and versions",
                        "session.json in the store, under the session that this folder is named after",
                    ),
                    ("SO8T-AB", version()),
                    ("Engine", f"{engine.name} {engine.version}"),
                    ("For programs", "ab_test_results.json (unrounded, with a JSON Schema) and junit.xml"),
                ]
            ),
        ],
    )
