"""Files that no person would write: a command ends with 0, or with 2 and a message, never with a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests import fuzzed
from tests.unit.shared.cli.conftest import Cli, Done
from tests.unit.shared.material import make_inputs

_PARTS = 5
_CASES = 150
_LONG = "x" * 3000


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with what the configurations name."""
    monkeypatch.chdir(make_inputs(tmp_path))
    return tmp_path


def _wrong(done: Done) -> str:
    """What is wrong with how a command ended; empty if nothing is."""
    if done.code not in {0, 2}:
        return f"exit code {done.code}"
    if "Traceback" in done.err or "Unexpected" in done.err:
        return "a traceback"
    if done.code == 2 and not (done.err + done.out).strip():
        return "no message"
    return "an escape sequence" if "\x1b[31m" in done.err + done.out else ""


@pytest.mark.parametrize("part", range(_PARTS))
def test_configurations(cli: Cli, folder: Path, part: int) -> None:
    """Wrong types, extremes, depth and odd texts at the schema's keys."""
    codes, wrong = set(), {}
    for seed in range(part, _CASES, _PARTS):
        (folder / "config.yaml").write_bytes(fuzzed.configuration(seed).encode("utf-8", "surrogatepass"))
        done = cli("config", "check", "-c", "config.yaml")
        codes.add(done.code)
        if found := _wrong(done):
            wrong[seed] = (found, done.err[:300])
    assert wrong == {}
    assert 2 in codes


@pytest.mark.parametrize("part", range(_PARTS))
def test_data(cli: Cli, folder: Path, part: int) -> None:
    """Random bytes, and rows with odd fields, in every format."""
    codes, wrong = set(), {}
    for seed in range(part, _CASES, _PARTS):
        suffix, content = fuzzed.data(seed)
        path = folder / f"data{suffix}"
        path.write_bytes(content)
        done = cli("data", "check", path, *(["--json"] if seed % 2 else []))
        path.unlink()
        codes.add(done.code)
        if found := _wrong(done):
            wrong[seed] = (found, done.err[:300])
    assert wrong == {}
    assert 2 in codes


@pytest.mark.parametrize(
    "key",
    [
        *("model_a.base_model", "model_b.base_model", "dataset.paths", "training.config", "ab_test.test_data"),
        *("checkpoint_dir", "output_base_dir", "notify.urls_file", "dataset.source.license_file"),
    ],
)
@pytest.mark.parametrize(
    "value", [_LONG, f"a\\{_LONG}", "a\0b", "\ud800", "/a" * 3000], ids=["long", "back", "zero", "half", "deep"]
)
def test_paths_that_no_system_has(cli: Cli, folder: Path, key: str, value: str) -> None:
    """A name that is too long, a zero byte, half of a surrogate pair: no file has it."""
    text = value.replace("\\", "\\\\").replace("\0", "\\0").replace("\ud800", "\\ud800")
    (folder / "config.yaml").write_text("model_a: {base_model: model}\ndataset: {paths: [rows.jsonl]}\n")
    done = cli("config", "check", "-c", "config.yaml", "--set", f'{key}="{text}"')
    assert _wrong(done) == ""
    assert done.code == 2
    assert len(done.err) < 20_000
    given = ["--set", f'inputs_root="{text}"', "--set", "ab_test.test_data=D:/rows.jsonl"]
    assert _wrong(cli("config", "check", "-c", "config.yaml", *given)) == ""
