"""A conversion without a session: all files or none, however it ends."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import pytest
import yaml
from tests.messages import Said
from tests.unit.converter.conftest import Converted
from tests.unit.shared.namespaces import run_on_small_disk

from so8t_converter.convert import Conversion
from so8t_converter.output_file import OutputFile
from so8t_converter.standalone import convert_folder, paths_of
from so8t_shared.errors import ConfigError, InputError, Interrupted, StorageError
from so8t_shared.interruption import StopSignal
from so8t_shared.tables.quantizations import BY_NAME

ALL = ("f16", "q8_0", "q4_k_m")


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["llama", "foreign"])
def test_the_bytes_are_the_stages(converted: Callable[[str], Converted], tmp_path: Path, name: str) -> None:
    """Each file has the bytes that convert-a writes, gates folded; nothing else is in the folder."""
    done = convert_folder(Conversion(converted(name).source, "", ALL), tmp_path / "new" / "out")
    expected = {f"{name}-{q.upper()}.gguf": _sha256(converted(name).gguf(q)) for q in ALL}
    assert _digests(tmp_path / "new") == expected
    assert {Path(file.path).name: file.sha256 for file in done.files} == expected
    assert [file.quantization for file in done.files] == list(ALL)
    for file in done.files:
        assert file.bytes == Path(file.path).stat().st_size
        assert file.tensors == _types(Path(file.path))
    assert (done.architecture == "Phi3ForCausalLM") is (name == "foreign")
    assert bool(done.so8t) is (name == "foreign")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _types(path: Path) -> dict[str, int]:
    names = [tensor.tensor_type.name for tensor in gguf.GGUFReader(path).tensors]
    return {name: names.count(name) for name in sorted(set(names))}


def test_what_training_wrote(converted: Callable[[str], Converted], tmp_path: Path) -> None:
    """A folder with merged/ in it is converted as convert-b does, with the training's metadata."""
    shutil.copytree(converted("llama").source, tmp_path / "trained" / "merged")
    training = {"pet": {"lambdas": [0.5]}, "so8t": {"enabled": True, "rotation": "exp", "layers": "1"}}
    (tmp_path / "trained" / "training_config.yaml").write_text(yaml.safe_dump(training))
    convert_folder(Conversion(tmp_path / "trained", "b", ("f16",)), tmp_path / "out")
    reader = gguf.GGUFReader(tmp_path / "out" / "b-F16.gguf")
    ours = {key: field.contents() for key, field in reader.fields.items() if key.startswith("so8t.")}
    assert ours["so8t.rotation"] == "exp"
    assert ours["so8t.layers"] == [1]
    assert "so8t.training" not in ours
    before = {tensor.name: tensor.data.tobytes() for tensor in gguf.GGUFReader(converted("llama").gguf("f16")).tensors}
    assert {tensor.name: tensor.data.tobytes() for tensor in reader.tensors} == before


@pytest.mark.parametrize(
    "text", ["[", "so8t: 1\n", "pet: {lambdas: [x]}\nso8t: {enabled: false}\n"], ids=["yaml", "keys", "number"]
)
def test_a_training_that_cannot_be_read(
    converted: Callable[[str], Converted], tmp_path: Path, text: str, said: Said
) -> None:
    """Its configuration is named, and nothing is written."""
    (tmp_path / "trained" / "merged").mkdir(parents=True)
    shutil.copy(converted("llama").source / "config.json", tmp_path / "trained" / "merged")
    training = tmp_path / "trained" / "training_config.yaml"
    training.write_text(text)
    with said.raised(InputError, where=str(training)):
        convert_folder(Conversion(tmp_path / "trained", "", ("f16",)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_existing_files_stay(converted: Callable[[str], Converted], tmp_path: Path, said: Said) -> None:
    """Any of the files that exists ends the work before it begins, unless `force` is set; others are left alone."""
    there = tmp_path / "llama-Q4_K_M.gguf"
    there.write_bytes(b"mine")
    source = converted("llama").source
    with said.raised(InputError, where=str(there)):
        convert_folder(Conversion(source, "", ("bf16", "q4_k_m")), tmp_path)
    assert _digests(tmp_path) == {there.name: hashlib.sha256(b"mine").hexdigest()}
    convert_folder(Conversion(source, "", ("q4_k_m",)), tmp_path, force=True)
    assert _digests(tmp_path) == {there.name: _sha256(converted("llama").gguf("q4_k_m"))}


def _no_checkpoint(folder: Path) -> None:
    (folder / "config.json").unlink()


def _unsupported(folder: Path) -> None:
    (folder / "config.json").write_text('{"architectures": ["GemmaForCausalLM"]}')


def _pointer(folder: Path) -> None:
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")


def _truncated(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])


@pytest.mark.parametrize("spoil", [_no_checkpoint, _unsupported, _pointer, _truncated])
def test_unusable_folders(
    copy_of: Callable[[str], Path], tmp_path: Path, spoil: Callable[[Path], None], said: Said
) -> None:
    """One message of the kind that the stage has, and no trace of the target."""
    folder = copy_of("llama")
    spoil(folder)
    with said.raised(InputError):
        convert_folder(Conversion(folder, "", ("f16",)), tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("name", ["none", "file"])
def test_no_folder(tmp_path: Path, name: str, said: Said) -> None:
    """Neither a missing folder nor a file is a checkpoint."""
    (tmp_path / "file").write_text("x")
    with said.raised(InputError, where=str(tmp_path / name)):
        convert_folder(Conversion(tmp_path / name, "", ("f16",)), tmp_path / "out")


def test_layers_that_do_not_exist(converted: Callable[[str], Converted], tmp_path: Path, said: Said) -> None:
    """The option is named."""
    with said.raised(ConfigError, where="--layers = 7"):
        convert_folder(Conversion(converted("foreign").source, "", ("f16",), layers="7"), tmp_path / "out")


def test_a_file_in_the_targets_place(converted: Callable[[str], Converted], tmp_path: Path, said: Said) -> None:
    """It stays as it is."""
    (tmp_path / "out").write_text("mine")
    with said.raised(StorageError):
        convert_folder(Conversion(converted("llama").source, "", ("f16",)), tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


SMALL = """
from so8t_converter.convert import Conversion
from so8t_converter.standalone import convert_folder
from so8t_shared.errors import StorageError
try:
    convert_folder(Conversion(Path({source!r}), "", ("q8_0",)), folder / "out")
except StorageError as error:
    print(error.exit_code, str(folder) in error.where, list(folder.rglob("*")))
"""


@pytest.mark.parametrize("name", ["llama", "foreign"])
def test_too_small_a_disk(converted: Callable[[str], Converted], tmp_path: Path, name: str) -> None:
    """A disk without room for the requested files is refused before anything is written."""
    (tmp_path / "small").mkdir()
    code = SMALL.format(source=str(converted(name).source))
    assert run_on_small_disk(tmp_path / "small", code, size="1m").strip() == "2 True []"


@pytest.mark.parametrize("name", ["llama", "foreign"])
def test_only_the_requested_files_need_room(converted: Callable[[str], Converted], tmp_path: Path, name: str) -> None:
    """3 MB hold a Q8_0 file, since neither an F16 file nor folded weights are written on the way."""
    (tmp_path / "small").mkdir()
    f16, q8_0 = (converted(name).gguf(quantization).stat().st_size for quantization in ("f16", "q8_0"))
    assert f16 + q8_0 > 3 << 20 > q8_0
    code = SMALL.format(source=str(converted(name).source)) + "else:\n    print('written')\n"
    assert run_on_small_disk(tmp_path / "small", code, size="3m").strip() == "written"


def test_every_quantization_has_its_name(tmp_path: Path) -> None:
    """Files are named as llama.cpp's users know them."""
    paths = paths_of(Conversion(tmp_path / "Phi-3.5-mini", "", tuple(BY_NAME)), tmp_path)
    names = [path.name for path in paths.values()]
    assert len(set(names)) == len(BY_NAME)
    assert "Phi-3.5-mini-Q4_K_M.gguf" in names


def test_a_stop_leaves_nothing(converted: Callable[[str], Converted], tmp_path: Path) -> None:
    """Asked to stop in the middle of the pass, it writes no file."""
    stop = StopSignal()

    def ask(done: int, total: int, message: str) -> None:
        if "q4_k_m" in message and done >= total // 2:
            stop.ask()

    with pytest.raises(Interrupted):
        convert_folder(Conversion(converted("llama").source, "", ALL), tmp_path / "out", ask, stop)
    assert not (tmp_path / "out").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from so8t_converter.convert import Conversion
from so8t_converter.standalone import convert_folder
def kill(done, total, message):
    if "q4_k_m" in message and done >= total // 2:
        os.kill(os.getpid(), signal.SIGKILL)
convert_folder(Conversion(Path(sys.argv[1]), "m", ("f16", "q4_k_m")), Path(sys.argv[2]), kill)
"""


def _killed(source: Path, out: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, source, out], env=environment, capture_output=True, timeout=100
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert list(out.glob("*.gguf")) == []
    assert list(out.rglob("*.gguf")), "it was killed in the middle"


def test_a_kill_leaves_no_file(converted: Callable[[str], Converted], tmp_path: Path) -> None:
    """After SIGKILL no file has a final name; another conversion removes what is left and writes its own."""
    source, out = converted("llama").source, tmp_path / "out"
    _killed(source, out)
    convert_folder(Conversion(source, "m", ("q8_0",)), out)
    assert [str(path.relative_to(out)) for path in out.rglob("*")] == ["m-Q8_0.gguf"]


@pytest.mark.parametrize("touched", [False, True])
def test_the_same_command_goes_on_after_a_kill(
    converted: Callable[[str], Converted],
    copy_of: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    touched: bool,
) -> None:
    """The rest is computed, or everything if the checkpoint may have changed since; only the files stay."""
    source, out = copy_of("llama"), tmp_path / "out"
    _killed(source, out)
    if touched:
        (source / "model.safetensors").touch()
    kept: list[bool] = []
    has = OutputFile.has

    def noted(self: OutputFile, *place: Any) -> bool:
        kept.append(has(self, *place))
        return kept[-1]

    monkeypatch.setattr(OutputFile, "has", noted)
    convert_folder(Conversion(source, "m", ("f16", "q4_k_m")), out)
    assert (sum(kept) == 0) if touched else (len(kept) // 2 <= sum(kept) < len(kept))
    assert _digests(out) == {f"m-{q.upper()}.gguf": _sha256(converted("llama").gguf(q)) for q in ("f16", "q4_k_m")}
    assert not (out / ".so8t-ab").exists()
