"""`so8t-ab convert`, from a folder to exit codes."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from tests.messages import Said
from tests.tiny_models import make_llama
from tests.unit.shared.cli.conftest import Cli
from tests.unit.shared.core_environment import ROOT, make_core_environment, run_python
from tests.unit.shared.processes import until

from so8t_shared.tables.quantizations import ORDER


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_llama(tmp_path_factory.mktemp("models") / "tiny", layers=1)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The command handles signals itself; the tests' own handlers come back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_for_people(cli: Cli, model: Path, tmp_path: Path, said: Said) -> None:
    """A line per file with what is in it; by default the files that a run makes."""
    done = cli("convert", model, "-o", tmp_path)
    assert done.code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny-F16.gguf", "tiny-Q4_K_M.gguf", "tiny-Q8_0.gguf"]
    said(done.out, seconds=done.out.split()[-2])
    assert "Traceback" not in done.err


def test_for_programs(cli: Cli, model: Path, tmp_path: Path) -> None:
    """One object; names in any case, repeated ones count once, in the order given."""
    done = cli("convert", model, "-o", tmp_path, "-q", "Q5_0, q8_0", "-q", "q8_0", "--name", "m", "--json")
    assert done.code == 0
    found = json.loads(done.out)
    Draft202012Validator(json.loads((ROOT / "docs/schema/convert.schema.json").read_text("utf-8"))).validate(found)
    assert (found["architecture"], found["schema_version"], found["so8t"]) == ("LlamaForCausalLM", 1, {})
    assert [file["quantization"] for file in found["files"]] == ["q5_0", "q8_0"]
    for file in found["files"]:
        data = Path(file["path"]).read_bytes()
        assert Path(file["path"]).name in {"m-Q5_0.gguf", "m-Q8_0.gguf"}
        assert (file["bytes"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        assert sum(file["tensors"].values()) == 11
    again = cli("convert", model, "-o", tmp_path, "-q", "q8_0", "--name", "m", "--json")
    assert (again.code, again.out) == (2, "")


@pytest.mark.parametrize(
    "options",
    [("-q", "q4_k_m,q3_k"), ("-q", ","), ("--rotation", "x"), ("--layers", "x"), ("--name", "a/b")],
    ids=" ".join,
)
def test_wrong_options(cli: Cli, model: Path, tmp_path: Path, said: Said, options: tuple[str, ...]) -> None:
    """Exit code 2 and what to write instead, before anything is made."""
    done = cli("convert", model, "-o", tmp_path / "out", *options)
    assert (done.code, done.out) == (2, "")
    said(done.err)
    assert not (tmp_path / "out").exists()


def test_no_checkpoint(cli: Cli, tmp_path: Path, said: Said) -> None:
    """Exit code 2 and one message."""
    done = cli("convert", tmp_path, "-o", tmp_path / "out")
    assert (done.code, done.out) == (2, "")
    said("\n".join(done.err.splitlines()[-3:]))


def test_the_help_teaches(cli: Cli) -> None:
    """It names every quantization and shows a command."""
    done = cli("convert", "--help")
    assert [name for name in ORDER if name.upper() not in done.out] == []
    assert "so8t-ab convert Phi-3.5-mini-instruct -o gguf" in done.out


def test_without_the_extra(model: Path, tmp_path: Path) -> None:
    """An installation without the converter's packages says how to get them."""
    core = make_core_environment(tmp_path)
    done = run_python(core, "-m", "so8t_shared.cli", "convert", model, "-o", tmp_path / "out")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == "  to do: pip install 'so8t-ab[convert]'"


@contextmanager
def _converting(model: Path, out: Path) -> Iterator[subprocess.Popen[str]]:
    """The command in a process group of its own, as a terminal has it, in the middle of its work."""
    process = subprocess.Popen(
        [sys.executable, "-m", "so8t_shared.cli", "convert", str(model), "-o", str(out)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        until(lambda: process.poll() is not None or list(out.glob(".so8t-ab/scratch/convert-*")), "the conversion")
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_signals(model: Path, tmp_path: Path, number: signal.Signals, said: Said) -> None:
    """Ctrl-C, which reaches the whole group, and SIGTERM end it with 75, one message and no trace."""
    with _converting(model, tmp_path / "out") as process:
        os.killpg(process.pid, number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (75, "")
    said("\n".join(err.splitlines()[-2:]))
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()
