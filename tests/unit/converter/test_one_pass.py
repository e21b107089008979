"""All files of a model in one pass over its tensors."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
from tests.messages import Said

from so8t_converter.one_pass import write_files
from so8t_converter.plan import Bytes, Computed, Plan, Stored, Tensor
from so8t_shared.errors import InputError
from so8t_shared.tables.quantizations import ROWS


def _plan(*tensors: Tensor) -> Plan:
    writer = gguf.GGUFWriter(None, "llama")
    writer.add_block_count(1)
    writer.add_head_count(8)
    writer.add_file_type(1)
    return Plan(writer.kv_data[0], tensors, "the checkpoint")


def _stored(path: Path, values: Bytes, kind: str) -> Stored:
    """The values behind seven bytes of something else."""
    path.write_bytes(b"x" * 7 + values.tobytes())
    return Stored(kind, path, 7, values.nbytes)


def _values(rows: int, length: int = 256) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(rows, length)).astype(np.float32)


def test_each_tensor_is_loaded_once(tmp_path: Path) -> None:
    """Every quantization there is, from one reading."""
    loads: list[None] = []

    def compute() -> np.ndarray:
        loads.append(None)
        return _values(3)

    plan = _plan(Tensor("blk.0.attn_v.weight", (3, 256), "F16", Computed(compute)))
    files = write_files(plan, {row.name: tmp_path / row.name for row in ROWS})
    assert len(loads) == 1
    assert {name: list(file.types) for name, file in files.items()} == {
        **{row.name: [row.type] for row in ROWS},
        **{"q5_k_m": ["Q6_K"], "q4_k_m": ["Q6_K"], "q4_k_s": ["Q5_K"]},
    }


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16"])
def test_quantized_from_f16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Whatever the checkpoint stores, a quantized file has the bytes of its F16 values, in pieces of any size."""
    monkeypatch.setattr("so8t_converter.one_pass._PIECE_VALUES", 600)
    values = gguf.quants.quantize(_values(7), gguf.GGMLQuantizationType[kind])
    exact = gguf.quants.dequantize(values, gguf.GGMLQuantizationType[kind])
    source = _stored(tmp_path / "weights", values, kind)
    plan = _plan(Tensor("blk.0.attn_q.weight", (7, 256), "F16", source))
    write_files(plan, {"q8_0": tmp_path / "q8", "f16": tmp_path / "f16"}, threads=3)
    half, eight = (gguf.GGUFReader(tmp_path / name).tensors[0].data for name in ("f16", "q8"))
    assert half.tobytes() == exact.astype(np.float16).tobytes()
    expected = gguf.quants.quantize(half.astype(np.float32), gguf.GGMLQuantizationType.Q8_0)
    assert eight.tobytes() == expected.tobytes()


def test_refused_weights_are_counted_over_the_whole_tensor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    """Weights that F16 cannot hold are refused although no F16 file is wanted, all of a tensor's pieces together."""
    monkeypatch.setattr("so8t_converter.one_pass._PIECE_VALUES", 256)
    values = _values(5)
    values[0, 0], values[2, 7], values[4, 255] = np.inf, 1e5, np.nan
    plan = _plan(Tensor("blk.0.attn_q.weight", (5, 256), "F16", _stored(tmp_path / "weights", values, "F32")))
    with said.raised(InputError):
        write_files(plan, {"q8_0": tmp_path / "q8"})


def test_full_disk(tmp_path: Path) -> None:
    """A full disk comes out as the system's error, so that the stage can tell it."""
    plan = _plan(Tensor("blk.0.attn_q.weight", (1, 256), "F16", Computed(lambda: _values(1))))
    with pytest.raises(OSError, match="28"):
        write_files(plan, {"q8_0": Path("/dev/full")})


def test_weights_that_vanish(tmp_path: Path) -> None:
    """A weight file that is deleted meanwhile ends the pass with the system's error."""
    source = _stored(tmp_path / "weights", _values(1), "F32")
    plan = _plan(Tensor("blk.0.attn_q.weight", (1, 256), "F16", source))
    source.path.unlink()
    with pytest.raises(FileNotFoundError):
        write_files(plan, {"q8_0": tmp_path / "q8"})
