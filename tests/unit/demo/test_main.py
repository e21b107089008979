"""`python -m so8t_demo`: what it prints and with which code it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.messages import Said

from so8t_demo.__main__ import main
from so8t_demo.dataset import CARD_FILE, ROWS_FILE, make_rows
from so8t_demo.folders import MARKER


def test_dataset_is_written_and_then_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first call writes rows and card, the second says that they are there."""
    out = tmp_path / "data"
    assert main(["dataset", "--out", str(out)]) == 0
    assert "rows written" in capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == {ROWS_FILE, CARD_FILE, MARKER}
    assert main(["dataset", "--out", str(out)]) == 0
    assert "already exist" in capsys.readouterr().out


def test_the_seed_decides_the_rows(tmp_path: Path) -> None:
    """--seed reaches the generator."""
    assert main(["dataset", "--out", str(tmp_path / "data"), "--seed", "18"]) == 0
    first = (tmp_path / "data" / ROWS_FILE).read_text(encoding="utf-8").splitlines()[0]
    assert make_rows(18)[0]["text"] in first
    assert make_rows(17)[0]["text"] not in first


def test_bad_input_gets_one_message_and_code_2(tmp_path: Path, said: Said) -> None:
    """A folder of somebody else is refused: what, where, what to do, and no traceback."""
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "so8t_demo", "dataset", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    said(done.stderr)


@pytest.mark.parametrize("command", ["model", "dataset"])
def test_out_is_required(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is written to a place that the user did not name."""
    with pytest.raises(SystemExit) as ended:
        main([command])
    assert ended.value.code == 2
    assert "--out" in capsys.readouterr().err
