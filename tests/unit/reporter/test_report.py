"""The report's folder as a whole."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.unit.reporter.builders import Scenario
from tests.unit.reporter.builders_upstream import Folders, write_folders
from tests.unit.reporter.rendering import NAMES, Rendered, read, render, settings
from tests.unit.shared.namespaces import run_on_small_disk

from so8t_reporter.document import Table
from so8t_reporter.inputs import ReportInputs
from so8t_reporter.report import write_report
from so8t_shared.config.model import Visualization
from so8t_shared.distribution import version
from so8t_shared.results.ab_test import AbTestResults
from so8t_shared.tables.quantizations import ORDER

PICTURES = {
    "metrics_comparison",
    "confusion_generate",
    "confusion_constrained",
    "flips",
    "quantization_tradeoff",
    "training_curve",
}


def files(folder: Path) -> dict[str, str]:
    """Relative path to digest of every file."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_exact_set_of_files(rendered: Rendered) -> None:
    """These files and no others."""
    reports = {"report.md", "report.html", "ab_test_results.json", "answers.csv", "explorer.html", "junit.xml"}
    assert set(files(rendered.folder)) == reports | {f"visualizations/{name}.png" for name in PICTURES}


def test_every_quantization_is_reported(tmp_path: Path) -> None:
    """A run with all of them fills every table and picture, the most precise first."""
    inputs = read(write_folders(tmp_path / "upstream", Scenario(quantizations=ORDER[::-1])))
    rendered = render(inputs, tmp_path / "report")
    assert set(files(rendered.folder)) >= {f"visualizations/{name}.png" for name in PICTURES}
    blocks = [block for section in rendered.report.sections for block in section.blocks]
    columns = [(t, [c.name for c in t.columns]) for t in blocks if isinstance(t, Table)]
    listed = [
        [row[names.index("Quantization")].text for row in t.rows] for t, names in columns if "Quantization" in names
    ]
    assert set(listed[0]) == set(ORDER)
    for found in listed:
        once = list(dict.fromkeys(found))
        assert once == sorted(once, key=ORDER.index)


def test_results_are_unrounded(rendered: Rendered, inputs: ReportInputs) -> None:
    """ab_test_results.json holds every measurement as it was, and reads back equal."""
    results = AbTestResults.model_validate_json(rendered.text("ab_test_results.json"))
    assert results.evaluation == inputs.evaluation
    assert results.training == inputs.training
    assert results.data == inputs.data
    assert results.conversion == inputs.conversion
    assert (results.session_id, results.model_a, results.model_b) == ("20261122_224400", NAMES.a, NAMES.b)
    assert results.summary == rendered.report.summary


def test_undefined_is_null(sparse_rendered: Rendered) -> None:
    """What is undefined is null for programs."""
    results = json.loads(sparse_rendered.text("ab_test_results.json"))
    assert results["evaluation"]["control"] is None
    assert results["evaluation"]["speed"][0]["latency_ms_p50"] is None
    assert results["evaluation"]["cells"][0]["per_class"]["DENY"]["recall"] is None
    assert results["training"]["final_loss"] is None


def test_only_the_json_knows_the_session(rendered: Rendered) -> None:
    """Reports may be reused by another session, so none names the one that made them."""
    holding = [name for name in files(rendered.folder) if b"20261122_224400" in (rendered.folder / name).read_bytes()]
    assert holding == ["ab_test_results.json"]


def test_same_bytes_in_another_process(sparse_folders: Folders, sparse_rendered: Rendered, tmp_path: Path) -> None:
    """A second process, later and with another hash seed and locale, writes the same bytes."""
    code = (
        "import sys; from pathlib import Path; from tests.unit.reporter.rendering import read, render\n"
        "from tests.unit.reporter.builders_upstream import Folders\n"
        "render(read(Folders(*map(Path, sys.argv[2:]))), Path(sys.argv[1]))"
    )
    folders = [getattr(sparse_folders, field.name) for field in dataclasses.fields(Folders)]
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), *map(str, folders)],
        env=os.environ | {"PYTHONHASHSEED": "4711", "LC_ALL": "C", "TZ": "Asia/Tokyo"},
        cwd=Path(__file__).parents[3],
        check=True,
        timeout=120,
    )
    assert files(tmp_path) == files(sparse_rendered.folder)


def test_progress(sparse_rendered: Rendered) -> None:
    """Each picture is announced; the last step is the report itself."""
    steps = sparse_rendered.steps
    assert [done for done, _, _ in steps] == [0, 1, 2, 3, 4]
    assert {total for _, total, _ in steps} == {4}
    assert [steps[0][2], steps[-1][2]] == ["drawing metrics_comparison", "writing the report"]


def test_pictures_never_leave_the_report(sparse: ReportInputs, tmp_path: Path) -> None:
    """A picture folder named by a path that leads outside becomes one of that name inside the report."""
    (tmp_path / "report").mkdir()
    chosen = settings(visualization=Visualization(output_dir="../elsewhere"))
    write_report(sparse, chosen, tmp_path / "report")
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    assert (tmp_path / "report" / "elsewhere" / "metrics_comparison.png").is_file()


def test_full_disk(sparse_folders: Folders, tmp_path: Path) -> None:
    """A disk that takes no more bytes is one clear message, and no half picture or page is left on it."""
    places = [str(getattr(sparse_folders, field.name)) for field in dataclasses.fields(Folders)]
    code = f"""
        from tests.unit.reporter.builders_upstream import Folders
        from tests.unit.reporter.rendering import read, settings
        from so8t_reporter.report import write_report
        from so8t_shared.errors import StorageError
        try:
            write_report(read(Folders(*map(Path, {places!r}))), settings(), folder)
        except StorageError as error:
            print(error.what)
        print([path.name for path in folder.rglob("*") if path.is_file()])
    """
    (tmp_path / "report").mkdir()
    assert run_on_small_disk(tmp_path / "report", code, size="8k").splitlines() == ["The disk is full.", "[]"]


def test_light_import() -> None:
    """The reporter's image needs neither torch nor transformers nor llama.cpp."""
    code = "import sys, so8t_reporter.stages; print(*sorted(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert not {"torch", "transformers", "peft", "sklearn", "pandas", "xllamacpp", "gguf"} & set(done.stdout.split())
    assert "matplotlib" in done.stdout.split()


def test_every_report_names_the_version(rendered: Rendered) -> None:
    """Whoever reads one later can tell which program wrote it."""
    assert f'"so8t_ab_version": "{version()}"' in rendered.text("ab_test_results.json")
    for name in ("report.md", "report.html"):
        assert re.search(rf"SO8T-AB\W[^\n]*\n?[^\n]*{re.escape(version())}", rendered.text(name)), name
