"""Picture files."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path, PurePosixPath

import pytest
from tests.unit.reporter.rendering import NAMES

from so8t_reporter.charts.catalog import charts_of
from so8t_reporter.charts.render import picture_folder, write_picture
from so8t_reporter.document import Picture
from so8t_reporter.inputs import ReportInputs
from so8t_shared.config.model import Visualization
from so8t_shared.errors import ConfigError, StorageError


def pixels(png: bytes) -> tuple[int, int]:
    """Width and height from a PNG's header, its checksum verified."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    header = png[12:29]
    assert zlib.crc32(header) == struct.unpack(">I", png[29:33])[0]
    return struct.unpack(">II", header[4:12])  # type: ignore[return-value]


def draw_flips(inputs: ReportInputs, folder: Path, **settings: object) -> Picture:
    """Only the simplest of the pictures."""
    (chart,) = [c for c in charts_of(inputs) if c.name == "flips"]
    chosen = Visualization.model_validate(settings)
    path = PurePosixPath(f"{chosen.output_dir}/flips.{chosen.plot_format}")
    return write_picture(chart, inputs, NAMES, chosen, folder, path)


def test_dpi(sparse: ReportInputs, tmp_path: Path) -> None:
    """Twice the dots per inch give twice the pixels; above 200 only the file becomes finer, not the report."""
    small = draw_flips(sparse, tmp_path / "small", dpi=40)
    large = draw_flips(sparse, tmp_path / "large", dpi=220)
    assert pixels((tmp_path / "small" / small.path).read_bytes()) == pixels(small.light) == (440, 172)
    assert pixels((tmp_path / "large" / large.path).read_bytes()) == (2420, 946)
    assert pixels(large.light) == pixels(large.dark) == (2200, 860)
    assert (small.width, small.height) == (1056, 413)


@pytest.mark.parametrize(
    ("plot_format", "start", "media_type"),
    [("png", b"\x89PNG", "image/png"), ("svg", b"<?xml", "image/svg+xml"), ("pdf", b"%PDF-", "image/svg+xml")],
)
def test_format(sparse: ReportInputs, tmp_path: Path, plot_format: str, start: bytes, media_type: str) -> None:
    """Files have the chosen format; what is embedded can be shown by a browser."""
    picture = draw_flips(sparse, tmp_path, plot_format=plot_format, dpi=40, output_dir="drawings")
    assert picture.path == f"drawings/flips.{plot_format}"
    content = (tmp_path / picture.path).read_bytes()
    assert content.startswith(start)
    assert picture.media_type == media_type
    assert (picture.light == content) == (plot_format != "pdf")
    assert b"<script" not in picture.light
    assert picture.dark != picture.light


@pytest.mark.parametrize("folder", ["../outside", "/tmp/elsewhere", "a/../../b", "report.md", "junit.xml/x"])
def test_folder_stays_inside(folder: str) -> None:
    """A folder outside the report, or in the place of one of its files, is refused with its key."""
    with pytest.raises(ConfigError) as caught:
        picture_folder(folder)
    assert caught.value.where == "visualization.output_dir"
    assert caught.value.remedy


def test_folder_that_cannot_be_made(sparse: ReportInputs, tmp_path: Path) -> None:
    """A file in the folder's place is one clear message."""
    (tmp_path / "visualizations").write_text("in the way")
    with pytest.raises(StorageError):
        draw_flips(sparse, tmp_path, dpi=40)
