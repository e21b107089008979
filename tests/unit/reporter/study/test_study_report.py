"""The report of a study: complete, escaped, self-contained."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from tests.study_data import StudyFiles, gold_of, said_of
from tests.unit.reporter.hostile import HOSTILE
from tests.unit.reporter.test_html import Page

from so8t_evaluator.study.judging import conclude_study
from so8t_reporter.study.stages import study_report, write_study
from so8t_shared.results.study import StudyResult

ROWS = 48


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    """Arms with hostile names, one of them with one seed, one without a member, one external."""
    gold, rng = gold_of(ROWS), np.random.default_rng(0)
    study = StudyFiles(tmp_path_factory.mktemp("members"), gold, said_of(gold, rng.random(ROWS) < 0.5))
    keys = {HOSTILE[0]: {HOSTILE[1]: HOSTILE[5]}, HOSTILE[2]: {}, HOSTILE[3]: {HOSTILE[1]: HOSTILE[5]}}
    for name, share, seeds in ((HOSTILE[0], 0.5, (1, 2, 3)), (HOSTILE[2], 0.97, (1, 2, 3)), (HOSTILE[3], 0.6, (1,))):
        study.add(name, {s: said_of(gold, rng.random(ROWS) < share) for s in seeds}, **keys[name])
    study.add("日本語", {None: gold})
    study.add("absent", {})
    families = {HOSTILE[4]: [(HOSTILE[2], "A"), (HOSTILE[0], "A"), ("absent", "A")], "x": [(HOSTILE[2], HOSTILE[0])]}
    return conclude_study(study.task(families, reference=HOSTILE[0]))


@pytest.fixture(scope="module")
def folder(result: StudyResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("report")
    written = write_study(result, found)
    files = [path.relative_to(found).as_posix() for path in found.rglob("*") if path.is_file()]
    assert sorted(path.relative_to(found).as_posix() for path in written) == sorted(files)
    assert sorted(files) == ["study.html", "study.md", "study_results.json", "visualizations/forest.png"]
    return found


def test_html_is_well_formed_and_escaped(folder: Path) -> None:
    """No script, no address outside; every hostile name is text that a reader sees."""
    text = (folder / "study.html").read_text("utf-8")
    page = Page(text)
    tags = {name for name, _ in page.elements}
    assert not tags & {"script", "iframe"}
    assert "default-src 'none'" in text
    for attributes in page.all("img") + page.all("source"):
        address = attributes.get("src") or attributes.get("srcset") or ""
        assert address.startswith("data:image/png;base64,")
    assert all(str(attributes["href"]).startswith("#") for attributes in page.all("a"))
    for name in (HOSTILE[0], HOSTILE[3], HOSTILE[4], "日本語"):
        assert " ".join(name.split()) in page.text
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    sections = {a["id"] for a in page.all("section") if "id" in a}
    assert sections == {"pairs", "danger", "grid", "variance", "effects", "ranking", "cost", "method"}


def test_markdown_says_the_same(folder: Path, result: StudyResult) -> None:
    """Every finding stands in both; no name starts an element, a heading or a table cell."""
    text, page = (folder / "study.md").read_text("utf-8"), Page((folder / "study.html").read_text("utf-8"))
    assert text.count("\n- ") >= len(result.sentences())
    for line in result.sentences():
        assert " ".join(line.split()).replace("p = ", "p\u00a0= ") in page.text or " ".join(line.split()) in page.text
    assert not re.search(r"(?<!\\)<(script|iframe|img)", text)
    assert "\n# heading" not in text
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("| ")]
    assert min(widths) >= 3


def test_every_file_and_arm_is_shown(result: StudyResult) -> None:
    """The grid has a row per arm and a column per seed and for external models; absent ones are dashes."""
    sections = {s.anchor: s for s in study_report(result, {}).sections}
    grid = sections["grid"].blocks[0]
    assert grid.kind == "table"
    assert [c.name for c in grid.columns] == ["Arm", "Seed 1", "Seed 2", "Seed 3", "External"]
    assert [[cell.text != "-" for cell in row[1:]] for row in grid.rows] == [
        [True, True, True, False],
        [True, True, True, False],
        [True, False, False, False],
        [False, False, False, True],
        [False, False, False, False],
    ]
    pairs = sections["pairs"].blocks
    assert sum(len(block.rows) for block in pairs if block.kind == "table") == len(
        [c for c in result.contrasts if c.metric == "accuracy"]
    )


def test_same_result_same_bytes(folder: Path, result: StudyResult, tmp_path: Path) -> None:
    """Writing again gives the same files."""
    write_study(result, tmp_path)
    for name in ("study.html", "study.md", "visualizations/forest.png"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
