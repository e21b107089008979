"""Renders charts to picture files and to the bytes that the HTML report embeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from matplotlib.figure import Figure

from so8t_reporter.charts.catalog import Chart, charts_of
from so8t_reporter.charts.style import DARK, LIGHT, Format, Theme, styled, to_bytes
from so8t_reporter.document import Picture
from so8t_reporter.inputs import Names, ReportInputs
from so8t_shared.config.model import Visualization
from so8t_shared.errors import ConfigError
from so8t_shared.files import write_atomically
from so8t_shared.progress import Progress, no_progress

EMBEDDED_DPI = 200
"""Highest resolution embedded in the HTML report; the file beside it may be finer."""
NARROW_DPI = 160
"""Two pixels per point of a phone's screen."""

_CSS_PIXELS_PER_INCH = 96
_MEDIA_TYPES: dict[Format, str] = {"png": "image/png", "svg": "image/svg+xml"}
_RESERVED = {"report.md", "report.html", "explorer.html", "ab_test_results.json", "answers.csv", "junit.xml"}


def write_pictures(
    inputs: ReportInputs,
    names: Names,
    settings: Visualization,
    output_dir: Path,
    progress: Progress = no_progress,
) -> dict[str, Picture]:
    """Draw every picture of the report into its folder under `output_dir`; return them by name.

    Raises:
        ConfigError: visualization.output_dir is outside the report's folder, or names one of its files.
        StorageError: the pictures cannot be written.
    """
    folder = picture_folder(settings.output_dir)
    charts = charts_of(inputs)
    pictures = {}
    for done, chart in enumerate(charts):
        progress(done, len(charts), f"drawing {chart.name}")
        path = folder / f"{chart.name}.{settings.plot_format}"
        pictures[chart.name] = write_picture(chart, inputs, names, settings, output_dir, path)
    return pictures


def picture_folder(configured: str) -> PurePosixPath:
    """Return the pictures' folder relative to the report's.

    Raises:
        ConfigError: it is outside the report's folder, or names one of its files.
    """
    folder = PurePosixPath(configured)
    if folder.is_absolute() or ".." in folder.parts or "\0" in configured:
        raise ConfigError(
            f"The picture folder {configured!r} is outside the report's folder.",
            where="visualization.output_dir",
            remedy="use a relative folder such as visualizations",
        )
    if folder.parts[:1] and folder.parts[0] in _RESERVED:
        raise ConfigError(
            f"The picture folder has the same name as a report file, {folder.parts[0]}.",
            where="visualization.output_dir",
            remedy="use another name, such as visualizations",
        )
    return folder


def write_picture(
    chart: Chart, inputs: ReportInputs, names: Names, settings: Visualization, output_dir: Path, path: PurePosixPath
) -> Picture:
    """Draw one picture and write its file at `path`, relative to `output_dir`.

    Raises:
        StorageError: the picture cannot be written.
    """
    about = (chart.name, chart.title, chart.caption, chart.alt)
    return picture_of(about, lambda theme: chart.draw(inputs, names, theme), settings, output_dir, path)


def picture_of(
    about: tuple[str, str, str, str],
    draw: Callable[[Theme], Figure],
    settings: Visualization,
    output_dir: Path,
    path: PurePosixPath,
) -> Picture:
    """Draw one picture in every theme; `about` is its name, title, caption and alternative text.

    Raises:
        StorageError: the picture cannot be written.
    """

    def drawn(theme: Theme, plot_format: Format, dpi: int) -> tuple[bytes, tuple[int, int]]:
        with styled(theme):
            figure = draw(theme)
            width, height = (round(inches * _CSS_PIXELS_PER_INCH) for inches in figure.get_size_inches())
            return to_bytes(figure, plot_format, dpi), (width, height)

    name, title, caption, alt = about
    content, (width, height) = drawn(LIGHT, settings.plot_format, settings.dpi)
    write_atomically(output_dir / path, content)
    embedded: Format = "png" if settings.plot_format == "png" else "svg"
    dpi = min(settings.dpi, EMBEDDED_DPI)
    same = embedded == settings.plot_format and dpi == settings.dpi
    return Picture(
        name=name,
        title=title,
        caption=caption,
        alt=alt,
        path=path.as_posix(),
        media_type=_MEDIA_TYPES[embedded],
        light=content if same else drawn(LIGHT, embedded, dpi)[0],
        dark=drawn(DARK, embedded, dpi)[0],
        narrow=drawn(replace(LIGHT, narrow=True), embedded, min(dpi, NARROW_DPI))[0],
        narrow_dark=drawn(replace(DARK, narrow=True), embedded, min(dpi, NARROW_DPI))[0],
        width=width,
        height=height,
    )
