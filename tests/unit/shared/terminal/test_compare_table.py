"""The tables of `so8t-ab compare`, for every verdict."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from tests.unit.evaluator.compare.material import Rows, gold, make_rows, mostly_right, write

from so8t_evaluator.compare.judging import compare_files
from so8t_shared.config.load import load_test_settings
from so8t_shared.results.compare import CompareResult
from so8t_shared.results.verdicts import WORDS
from so8t_shared.terminal.compare_table import compare_tables

N = 120
CASES: dict[str, tuple[list[str | None], list[str | None], list[str]]] = {
    "b_better": (mostly_right(N, 0.3, 1), gold(N), [f"t{i // 2}" for i in range(N)]),
    "a_better": (gold(N), ["ALLOW"] * N, [""] * N),
    "nothing_read": ([None] * N, [None] * N, [""] * N),
    "too_few_groups": (["ALLOW"] * N, gold(N), [f"t{i % 3}" for i in range(N)]),
}


def _result(folder: Path, a: Rows, b: Rows, **values: str) -> CompareResult:
    settings = load_test_settings(None, [f"{key}={value}" for key, value in values.items()], list(values))
    return compare_files(write(folder / "a.jsonl", a), write(folder / "b.jsonl", b), settings)


def _shown(result: CompareResult) -> str:
    short = {
        side: m.model_copy(update={"log": m.log.model_copy(update={"path": side})}) for side, m in result.models.items()
    }
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(compare_tables(result.model_copy(update={"models": short})))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("verdict", CASES)
def test_every_verdict_fits(tmp_path: Path, verdict: str) -> None:
    """80 columns, the verdict's own words, every figure with its interval, and a word for what is unknown."""
    a, b, groups = CASES[verdict]
    result = _result(tmp_path, make_rows(a, group=groups), make_rows(b), bootstrap_resamples="100")
    text = _shown(result)
    assert result.detail == verdict
    assert text.startswith(WORDS[result.detail].title)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert f"no class in {N} of {N} answers" in text or verdict != "nothing_read"
    assert "design effect unknown" in text or verdict != "too_few_groups"
    assert "False allow" in text


def test_unread_answers_have_no_rates(tmp_path: Path) -> None:
    """Wrong form says nothing about decisions: only how many were unread is a figure."""
    result = _result(tmp_path, make_rows([None] * N), make_rows(gold(N)), bootstrap_resamples="100")
    lines = {line[:14].strip(): line[14:].split() for line in _shown(result).splitlines()}
    assert lines["Accuracy"] == ["unread", "100.0%", "(96.9", "to", "100.0)", "unread"]
    assert lines["False allow"][0] == lines["False allow"][-1] == "unread"
    assert lines["Unread answers"][0] == "100.0%"


def test_a_hostile_name_is_escaped(tmp_path: Path) -> None:
    """A clause is named by its author."""
    rows = make_rows(gold(N))
    gate = '[{name: "\\e[2J[red]x", metric: unread, at_most: 0.5, required: false}]'
    text = _shown(_result(tmp_path, rows, rows, gate=gate, bootstrap_resamples="100"))
    assert "\x1b" not in text
    assert "[red]x" in text
    assert "(advisory)" in text
