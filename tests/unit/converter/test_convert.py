"""A whole conversion: its files, their bytes, and how it goes on after a kill."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.messages import Said
from tests.unit.converter.conftest import Converted, kept_in

from so8t_converter import one_pass
from so8t_converter.convert import Conversion, convert
from so8t_converter.output_file import Unfinished
from so8t_shared.errors import InputError
from so8t_shared.progress import Progress, no_progress
from so8t_shared.results.conversion import ChatInfo, ConversionResult
from so8t_shared.tables.quantizations import Quantization

ALL: tuple[Quantization, ...] = ("f16", "q8_0", "q4_k_m")


def _convert(
    source: Path, root: Path, quantizations: tuple[Quantization, ...] = ALL, progress: Progress = no_progress
) -> ConversionResult:
    """One attempt: fresh output and scratch folders, the same store and unfinished files."""
    attempt = len(list(root.glob("output-*"))) if root.exists() else 0
    output, scratch = root / f"output-{attempt}", root / f"scratch-{attempt}"
    output.mkdir(parents=True)
    scratch.mkdir()
    conversion = Conversion(source, "model_a", quantizations)
    return convert(
        conversion, output, scratch, kept_in(root / "store"), progress, Unfinished(root / "unfinished", "key")
    )


def _bytes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.gguf")}


def test_exact_outputs(converted: Callable[[str], Converted]) -> None:
    """Three files, chat.json and conversion.json whose sizes, digests and types are those of the files."""
    output = converted("phi3").output
    assert sorted(path.name for path in output.iterdir()) == [
        *("chat.json", "conversion.json"),
        *("model_a_f16.gguf", "model_a_q4_k_m.gguf", "model_a_q8_0.gguf"),
    ]
    assert ChatInfo.model_validate_json((output / "chat.json").read_bytes()).layers == 2
    result = ConversionResult.model_validate_json((output / "conversion.json").read_bytes())
    assert [file.quantization for file in result.files] == list(ALL)
    digests = _bytes(output)
    for file in result.files:
        assert file.sha256 == digests[file.file]
        assert file.size_bytes == (output / file.file).stat().st_size
    assert result.files[2].tensor_types == {"F32": 5, "Q4_K": 7, "Q6_K": 3}


def test_two_conversions_are_byte_identical(converted: Callable[[str], Converted], tmp_path: Path) -> None:
    """Another place, another store: the same bytes, folding included."""
    _convert(converted("foreign").source, tmp_path)
    assert _bytes(tmp_path / "output-0") == _bytes(converted("foreign").output)


def test_order_and_choice_of_quantizations(converted: Callable[[str], Converted], tmp_path: Path) -> None:
    """Only what was asked for is written, in the order asked; no F16 file is made on the way."""
    result = _convert(converted("llama").source, tmp_path, ("q4_k_m", "q8_0"))
    assert [file.quantization for file in result.files] == ["q4_k_m", "q8_0"]
    names = ["model_a_q4_k_m.gguf", "model_a_q8_0.gguf"]
    assert sorted(_bytes(tmp_path / "output-0")) == names
    assert sorted({path.name for path in tmp_path.rglob("*.gguf")}) == names
    for name in names:
        assert (tmp_path / "output-0" / name).read_bytes() == (converted("llama").output / name).read_bytes()


def test_progress_rises_to_its_total(converted: Callable[[str], Converted], tmp_path: Path) -> None:
    """Progress counts every tensor of every file and ends at the total, for folded models as well."""
    seen: list[tuple[int, int]] = []
    _convert(converted("foreign").source, tmp_path, progress=lambda done, total, message: seen.append((done, total)))
    done = [place for place, _ in seen]
    assert done == sorted(done)
    assert {total for _, total in seen} == {done[-1]} == {3 * 15}  # F16, Q8_0, Q4_K_M


def test_interrupted_conversion_keeps_finished_files(converted: Callable[[str], Converted], tmp_path: Path) -> None:
    """Stopped when Q8_0 is kept, the second attempt makes only Q4_K_M and ends with the same bytes."""

    class Stop(Exception):
        pass

    def stop(done: int, total: int, message: str) -> None:
        if message == "q8_0 finished":
            raise Stop

    with pytest.raises(Stop):
        _convert(converted("llama").source, tmp_path, progress=stop)
    messages: list[str] = []
    _convert(converted("llama").source, tmp_path, progress=lambda done, total, message: messages.append(message))
    assert set(messages) == {
        *("f16, kept from an earlier attempt", "q8_0, kept from an earlier attempt", "q4_k_m"),
        "q4_k_m finished",
    }
    assert _bytes(tmp_path / "output-1") == _bytes(converted("llama").output)


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.unit.converter.test_convert import _convert
def kill(done, total, message):
    if message == sys.argv[3] and done >= 20:
        os.kill(os.getpid(), signal.SIGKILL)
_convert(Path(sys.argv[1]), Path(sys.argv[2]), progress=kill)
"""


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the tensors of which this process computes a piece."""
    names: list[str] = []
    write = one_pass._write_piece

    def noted(work: Any, *rest: Any) -> int:
        names.append(work.tensor.name)
        return write(work, *rest)

    monkeypatch.setattr(one_pass, "_write_piece", noted)
    return names


@pytest.mark.parametrize("name", ["phi3", "foreign"])
def test_killed_process(converted: Callable[[str], Converted], tmp_path: Path, name: str, computed: list[str]) -> None:
    """After SIGKILL in the middle of the pass, a fresh run computes the other tensors and ends with the same bytes."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", KILLED, str(converted(name).source), str(tmp_path), "f16, q8_0, q4_k_m"]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    written = _journaled(tmp_path / "unfinished")
    seen: list[int] = []
    _convert(converted(name).source, tmp_path, progress=lambda done, total, message: seen.append(done))
    assert _bytes(tmp_path / "output-1") == _bytes(converted(name).output)
    assert len(written) >= 7  # 20 of 45 steps of three files
    assert sorted([*computed, *written]) == sorted({*computed, *written})
    assert len(computed) + len(written) == 15
    assert seen[-1] == 45


def _journaled(folder: Path) -> set[str]:
    """The tensors that all files have whole."""
    files = [path.read_bytes().splitlines()[1:] for path in folder.glob("*.journal")]
    assert len(files) == 3
    return set.intersection(*({json.loads(line)[0] for line in lines} for lines in files))


def test_a_kill_after_the_pass(
    converted: Callable[[str], Converted], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, computed: list[str]
) -> None:
    """If it ends while the finished files are stored, none of them is computed again."""

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("so8t_shared.artifacts.checkpoints.Checkpoints.save", fail)
        with pytest.raises(KeyboardInterrupt):
            _convert(converted("phi3").source, tmp_path)
    assert len(computed) == 15
    _convert(converted("phi3").source, tmp_path)
    assert len(computed) == 15
    assert _bytes(tmp_path / "output-1") == _bytes(converted("phi3").output)


def test_bad_input_leaves_nothing(tmp_path: Path, said: Said) -> None:
    """An unusable folder is refused before anything is written."""
    (tmp_path / "model").mkdir()
    with said.raised(InputError):
        _convert(tmp_path / "model", tmp_path / "run")
    assert list((tmp_path / "run" / "output-0").iterdir()) == []
    assert list((tmp_path / "run" / "scratch-0").iterdir()) == []


def test_gates_are_described(converted: Callable[[str], Converted]) -> None:
    """chat.json of a folded model says what was folded."""
    info = json.loads((converted("foreign").output / "chat.json").read_text())
    assert info["so8t"]["gates"] == 2
    assert info["so8t"]["rotation"] == "cayley"
    assert 0 < info["so8t"]["largest_angle"] <= 3.1416
    assert json.loads((converted("phi3").output / "chat.json").read_text())["so8t"] == {}


LIGHT = """
import sys
from pathlib import Path
from so8t_converter.checkpoint import inspect
from so8t_converter.clean_folder import clean_folder
from so8t_converter.llama_cpp import plan_of, write_gguf
source, folder = map(Path, sys.argv[1:])
checkpoint = inspect(source)
plan = plan_of(checkpoint, clean_folder(source, folder / "model"))
write_gguf(checkpoint, plan, {"q8_0": folder / "model.gguf"})
print({"torch", "transformers"} & set(sys.modules))
"""


@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3", "phi3", "mistral", "smollm3"])
def test_neither_torch_nor_transformers_is_imported(made: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    """Where the files say everything, a whole conversion does without the libraries that take seconds to import."""
    command = [sys.executable, "-c", LIGHT, str(made(name)), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
