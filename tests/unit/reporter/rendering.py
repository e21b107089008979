"""Rendering a report from upstream folders, as the stage does, without a store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.unit.reporter.builders_upstream import Folders

from so8t_reporter.assembly import assemble_report
from so8t_reporter.document import Picture, Report, Table
from so8t_reporter.inputs import Names, ReportInputs, ReportSettings, load_inputs
from so8t_reporter.report import write_report
from so8t_shared.config.model import Visualization

NAMES = Names("borea-base", "borea-retrained", "as published", "with 30 gates")
SMALL = Visualization(dpi=40)


def settings(names: Names = NAMES, visualization: Visualization = SMALL) -> ReportSettings:
    return ReportSettings("20261122_224400", names, visualization, models="models")


def read(folders: Folders) -> ReportInputs:
    return load_inputs(
        evaluate=folders.evaluate,
        conclude=folders.conclude,
        train=folders.train,
        converted={"convert-a": folders.convert_a, "convert-b": folders.convert_b},
        imported=folders.imported,
    )


@dataclass(frozen=True)
class Rendered:
    """A report's folder and the document it was made from."""

    folder: Path
    report: Report
    steps: list[tuple[int, int, str]]
    """What was reported as progress."""

    def text(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")


def render(inputs: ReportInputs, folder: Path, chosen: ReportSettings | None = None) -> Rendered:
    """Write the report; the document uses the pictures' names, not their bytes."""
    chosen = chosen or settings()
    steps: list[tuple[int, int, str]] = []
    write_report(inputs, chosen, folder, lambda *step: steps.append(step))
    return Rendered(folder, document(inputs, chosen, folder), steps)


def document(inputs: ReportInputs, chosen: ReportSettings, folder: Path) -> Report:
    pictures = {path.stem: _picture(path, folder) for path in (folder / "visualizations").iterdir()}
    return assemble_report(inputs, chosen, pictures)


def text_report(inputs: ReportInputs, chosen: ReportSettings | None = None) -> Report:
    """The document without any real picture, for tests of its words."""
    main = Picture(
        "metrics_comparison", "main", "caption", "alt", "visualizations/main.png", "image/png", b"", b"", 1, 1
    )
    return assemble_report(inputs, chosen or settings(), {main.name: main})


def tables_of(report: Report, anchor: str) -> dict[str, Table]:
    """Tables of one section by caption."""
    section = next(s for s in report.sections if s.anchor == anchor)
    return {block.caption: block for block in section.blocks if isinstance(block, Table)}


def column(table: Table, name: str) -> list[str]:
    """Texts of one column."""
    place = [c.name for c in table.columns].index(name)
    return [row[place].text for row in table.rows]


def _picture(path: Path, folder: Path) -> Picture:
    relative = path.relative_to(folder).as_posix()
    return Picture(path.stem, path.stem, "", "", relative, "image/png", b"", b"", 1, 1)
