"""`so8t-ab gguf`, from files to exit codes."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from jsonschema import Draft202012Validator
from tests.messages import Said
from tests.unit.shared.cli.conftest import Cli
from tests.unit.shared.core_environment import ROOT, make_core_environment, run_python

TEMPLATE = "{{ '\x1b[2J' }}\n" + "{% for message in messages %}" * 20


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The command handles signals itself; the tests' own handlers come back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def _make(path: Path, *, name: str = "m", change: float = 0.0, extra: bool = False) -> Path:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(name)
    writer.add_file_type(int(gguf.LlamaFileType.MOSTLY_Q8_0))
    writer.add_float32("x.nan", float("nan"))
    writer.add_array("tokenizer.ggml.tokens", ["\x1b[31m", *map(str, range(99))])
    writer.add_chat_template(TEMPLATE)
    writer.add_string("so8t.rotation", "cayley")
    data = np.arange(64, dtype=np.float32).reshape(2, 32)
    quantized: Any = gguf.quants.quantize(data, gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("blk.0.w", quantized, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    norm = np.ones(4, np.float32)
    norm[0] += change
    writer.add_tensor("norm", norm)
    if extra:
        writer.add_tensor("more", norm)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return _make(tmp_path / "m.gguf")


def test_info(cli: Cli, file: Path, said: Said) -> None:
    """Ours first, arrays by their first elements, long texts shortened, nothing that controls the terminal."""
    done = cli("gguf", "info", file, "--tensors")
    assert (done.code, done.err) == (0, "")
    assert "\x1b" not in done.out
    said(done.out)


def _check_schema(command: str, found: object) -> None:
    schema = json.loads((ROOT / "docs" / "schema" / f"gguf_{command}.schema.json").read_text("utf-8"))
    Draft202012Validator(schema).validate(found)


def test_whole_texts(cli: Cli, file: Path) -> None:
    """--full shows all of the template, with its lines."""
    short, full = cli("gguf", "info", file).out, cli("gguf", "info", file, "--full").out
    shown = TEMPLATE.replace("\x1b", "\\x1b")
    assert shown not in short
    assert shown in full


def test_info_for_programs(cli: Cli, file: Path) -> None:
    """One object of plain JSON; texts are whole."""
    done = cli("gguf", "info", file, "--json")
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    _check_schema("info", found)
    assert next(iter(found["metadata"])) == "so8t.rotation"
    assert found["metadata"]["tokenizer.chat_template"]["value"] == TEMPLATE
    assert found["metadata"]["tokenizer.ggml.tokens"]["count"] == 100
    assert found["metadata"]["x.nan"] == {"type": "float32", "count": None, "value": "nan"}
    assert (found["architecture"], found["file_type"], found["parameters"]) == ("llama", "Q8_0", 68)
    assert found["types"] == {"Q8_0": {"tensors": 1, "bytes": 68}, "F32": {"tensors": 1, "bytes": 16}}
    assert found["tensors"] is None
    [first, _] = json.loads(cli("gguf", "info", file, "--json", "--tensors").out)["tensors"]
    assert first == {"name": "blk.0.w", "type": "Q8_0", "shape": [32, 2], "bytes": 68}


def test_info_needs_no_extra(file: Path, tmp_path: Path) -> None:
    """The core reads headers; comparing weights takes the converter's packages."""
    core = make_core_environment(tmp_path)
    done = run_python(core, "-m", "so8t_shared.cli", "gguf", "info", file)
    assert (done.returncode, done.stderr) == (0, "")
    done = run_python(core, "-m", "so8t_shared.cli", "gguf", "diff", file, file)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == "  to do: pip install 'so8t-ab[convert]'"


@pytest.mark.parametrize(("size", "code"), [(0, 2), (100, 5), (-1, 5)])
@pytest.mark.parametrize("command", ["info", "diff"])
def test_files_that_cannot_be_read(cli: Cli, file: Path, tmp_path: Path, command: str, size: int, code: int) -> None:
    """No GGUF file is wrong input, a truncated one is damaged; nothing on standard output, no traceback."""
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(file.read_bytes()[: size if size >= 0 else _end(file) - 1])
    done = cli("gguf", command, *([file] if command == "diff" else []), cut)
    assert (done.code, done.out) == (code, "")
    assert str(cut) in done.err
    assert "Traceback" not in done.err


def _end(file: Path) -> int:
    return max(tensor.data_offset + int(tensor.n_bytes) for tensor in gguf.GGUFReader(file).tensors)


def test_diff_of_equal_files(cli: Cli, file: Path, tmp_path: Path, said: Said) -> None:
    """Exit code 0 and one line."""
    done = cli("gguf", "diff", file, _make(tmp_path / "b.gguf"))
    assert done.code == 0
    said(done.out)


def test_diff_of_different_files(cli: Cli, file: Path, tmp_path: Path, said: Said) -> None:
    """Exit code 1; each difference has a line, without control characters."""
    other = _make(tmp_path / "b.gguf", name="\x1b[2Jn", change=0.5, extra=True)
    done = cli("gguf", "diff", file, other)
    assert done.code == 1
    assert "\x1b" not in done.out
    said(done.out)
    as_json = cli("gguf", "diff", file, other, "--json")
    found = json.loads(as_json.out)
    _check_schema("diff", found)
    assert (as_json.code, found["equal"]) == (1, False)
    assert [key["key"] for key in found["keys"]] == ["general.name"]
    assert {tensor["name"]: tensor["largest_difference"] for tensor in found["tensors"]} == {"norm": 0.5, "more": None}
