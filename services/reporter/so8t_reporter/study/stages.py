"""Writes the report of a study."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from so8t_reporter.charts.render import picture_of
from so8t_reporter.charts.style import shortened
from so8t_reporter.document import Picture, Tone
from so8t_reporter.html import render_html
from so8t_reporter.markdown import render_markdown
from so8t_reporter.study import forest
from so8t_reporter.study.document import StudyReport
from so8t_reporter.study.sections import TONES, sections_of
from so8t_shared import formatting as fmt
from so8t_shared.config.model import Visualization
from so8t_shared.distribution import version
from so8t_shared.files import write_atomically
from so8t_shared.results.study import FINDINGS, STUDY_FILE, StudyResult
from so8t_shared.tables import metrics

HTML_FILE, MARKDOWN_FILE = "study.html", "study.md"
_FOREST = PurePosixPath("visualizations/forest.png")


def write_study(result: StudyResult, folder: Path) -> list[Path]:
    """Write study.html, study.md, study_results.json and the forest plot; return their paths.

    Raises:
        StorageError: `folder` cannot be written.
    """
    report = study_report(result, {"forest": _picture(result, folder)})
    content = {
        HTML_FILE: render_html(report, "study.html.j2").encode("utf-8"),
        MARKDOWN_FILE: render_markdown(report, "study.md.j2").encode("utf-8"),
        STUDY_FILE: (result.model_dump_json(indent=2) + "\n").encode("utf-8"),
    }
    for name, data in content.items():
        write_atomically(folder / name, data)
    return [*(folder / name for name in content), folder / _FOREST]


def study_report(result: StudyResult, pictures: dict[str, Picture]) -> StudyReport:
    """Return the report as plain text, tables and pictures."""
    headline, tone = _headline(result)
    return StudyReport(
        title=f"Study {result.name}",
        headline=headline,
        tone=tone,
        summary=_summary(result),
        findings=result.sentences(),
        arms=[(arm.name, _described(arm.description, arm.overrides)) for arm in result.arms],
        sections=sections_of(result),
        pictures=pictures,
        provenance=[("SO8T-AB", version()), *((_file_name(f.arm, f.seed), f.session_id) for f in result.files)],
    )


def _headline(result: StudyResult) -> tuple[str, Tone]:
    """Return the finding of the first declared comparison with the reference, else of the first declared one."""
    declared = result.declared
    chosen = next((c for c in declared if result.reference and c.other == result.reference), None)
    chosen = chosen or next(iter(declared), None)
    if chosen is None:
        return "No comparison was declared", "muted"
    return f"{chosen.arm} against {chosen.other}: {FINDINGS[chosen.finding]}", TONES.get(chosen.finding, "muted")


def _summary(result: StudyResult) -> str:
    trained = sum(f.seed is not None for f in result.files)
    files = f"{trained:,} trained {fmt.plural(trained, 'model', 'models')}"
    if external := len(result.files) - trained:
        files += f" and {external:,} external"
    dangers = "".join(
        f", {metrics.BY_NAME[name].title.lower()} {fmt.percent(rate.value)}"
        for name, rate in result.dangers_a.items()
        if rate
    )
    return (
        f"{len(result.arms):,} {fmt.plural(len(result.arms), 'arm', 'arms')}, {files}, on {result.rows:,} test rows in"
        f" {result.groups:,} groups, at {result.quantization} with {result.scoring} scoring. A: accuracy"
        f" {fmt.percent_interval(result.accuracy_a)}{dangers}."
    )


def _described(description: str, overrides: dict[str, str]) -> str:
    settings = ", ".join(f"{key}: {value}" for key, value in overrides.items())
    return " - ".join(part for part in (description, settings) if part)


def _file_name(arm: str, seed: int | None) -> str:
    return arm if seed is None else f"{arm}, seed {seed}"


def _picture(result: StudyResult, folder: Path) -> Picture:
    title = _headline(result)[0]
    told = [result.sentence(c) for c in result.declared]
    about = (
        "forest",
        "Every arm against A",
        "Color means shown after Holm's adjustment: orange better, blue worse. A square is a single file.",
        f"Differences of every arm from A. {'; '.join(told)}.",
    )
    return picture_of(
        about, lambda theme: forest.draw(result, theme, shortened(title, 90)), Visualization(), folder, _FOREST
    )
