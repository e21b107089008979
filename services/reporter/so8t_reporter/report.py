"""Writes every file of the report; the stage only supplies the locations."""

from __future__ import annotations

from pathlib import Path

from so8t_reporter.answers import ANSWERS_FILE, answers_csv
from so8t_reporter.assembly import assemble_report, assemble_results
from so8t_reporter.charts.render import write_pictures
from so8t_reporter.explorer import render_explorer
from so8t_reporter.html import render_html
from so8t_reporter.inputs import ReportInputs, ReportSettings
from so8t_reporter.junit import render_junit
from so8t_reporter.markdown import render_markdown
from so8t_reporter.sections.overview import EXPLORER_FILE
from so8t_shared.files import write_atomically
from so8t_shared.progress import Progress, no_progress


def write_report(
    inputs: ReportInputs,
    settings: ReportSettings,
    output_dir: Path,
    progress: Progress = no_progress,
) -> None:
    """Write all pictures and files of the report; the same inputs give the same bytes.

    Raises:
        ConfigError: visualization.output_dir is outside `output_dir`.
        IntegrityError: a recorded verdict contradicts its own figures.
        StorageError: `output_dir` cannot be written.
    """
    results = assemble_results(inputs, settings)
    pictures = write_pictures(inputs, settings.names, settings.visualization, output_dir, progress)
    report = assemble_report(inputs, settings, pictures)
    progress(len(pictures), len(pictures), "writing the report")
    for name, content in {
        "report.md": render_markdown(report).encode("utf-8"),
        "report.html": render_html(report).encode("utf-8"),
        "ab_test_results.json": (results.model_dump_json(indent=2) + "\n").encode("utf-8"),
        EXPLORER_FILE: render_explorer(inputs, settings.names).encode("utf-8"),
        ANSWERS_FILE: answers_csv(inputs),
        "junit.xml": render_junit(inputs.evaluation),
    }.items():
        write_atomically(output_dir / name, content)
