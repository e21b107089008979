"""What it takes to get the same result again."""

from __future__ import annotations

from so8t_reporter.document import Code, Facts, Paragraph, Section
from so8t_reporter.inputs import ReportInputs
from so8t_shared.distribution import version

_COMMANDS = """\
# computes everything again, in folders of its own (with a bucket also --set store.bucket=another)
so8t-ab run -c config.yaml --set checkpoint_dir=again/store --set output_base_dir=again/results

so8t-ab plan -c config.yaml           # what would run, what is reused, and why
so8t-ab run -c config.yaml            # resumes; what is finished is read from the store, not computed again
so8t-ab run -c config.yaml --gate     # exit code 10 when B may not ship
"""


def reproduction_section(inputs: ReportInputs) -> Section:
    """Engine, places and the commands; `config.yaml` stands for the reader's own file."""
    engine = inputs.evaluation.engine
    return Section(
        "reproduction",
        "How to get this result again",
        [
            Paragraph(
                "With the same configuration, model, data set and versions, on CPUs of one kind with as many threads,"
                " the answers and figures come out the same; only timings differ. On a GPU or another CPU training and"
                " answering differ by float noise, which may change an answer here and there. Where the store already"
                " has them nothing is computed, so that a check needs a store of its own."
            ),
            Code("Commands", _COMMANDS),
            Facts(
                [
                    (
                        "Configuration and versions",
                        "session.json in the store, under the session named by this folder",
                    ),
                    ("SO8T-AB", version()),
                    ("Engine", f"{engine.name} {engine.version}"),
                    ("For programs", "ab_test_results.json (unrounded, with a JSON Schema) and junit.xml"),
                ]
            ),
        ],
    )
