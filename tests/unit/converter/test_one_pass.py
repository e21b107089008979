"""All files of a model in one pass over its tensors."""

from __future__ import annotations

import ctypes
import hashlib
import json
import mmap
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGUFValueType
from gguf.gguf_writer import GGUFValue
from tests.messages import Said

from so8t_converter.one_pass import write_files
from so8t_converter.output_file import FinishedFile, OutputFile, Unfinished, open_output
from so8t_converter.plan import Bytes, Computed, Plan, Reader, Stored, Tensor
from so8t_shared.errors import InputError, Interrupted
from so8t_shared.tables.quantizations import ROWS, Quantization


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


def _cached(path: Path) -> int:
    """Pages of a file that are in the page cache."""
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as all_,
    ):
        pages = (ctypes.c_ubyte * -(-len(all_) // mmap.PAGESIZE))()
        start = ctypes.c_ubyte.from_buffer(all_)
        assert not ctypes.CDLL(None).mincore(ctypes.byref(start), ctypes.c_size_t(len(all_)), pages)
        del start
    return sum(page & 1 for page in pages)


def _in_memory(path: Path) -> bool:
    """Whether its file system has no disk, such as tmpfs."""
    return not os.major(path.stat().st_dev)


def test_written_pages_leave_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint that was read to identify it stays there, rather than the files that are made of it."""
    monkeypatch.setattr("so8t_converter.output_file._EVICTED_STEP", 1 << 20)
    values = _values(4096).view(np.uint8).reshape(-1)
    plan = _plan(Tensor("blk.0.attn_q.weight", (4096, 256), "F32", Computed(lambda: _values(4096))))
    path = tmp_path / "f16"
    with ThreadPoolExecutor(1) as pool, open_output(path, plan, "f16", None, pool) as file:
        file.write("blk.0.attn_q.weight", 0, values)
        file.finish()
        written = _cached(path)
        file.evict()
        assert written > 1000
        assert _cached(path) < 10 or _in_memory(path)


@pytest.mark.parametrize(("free", "evicts"), [(0, True), (1 << 40, False)])
def test_pages_are_evicted_only_where_memory_is_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, evicts: bool
) -> None:
    """Otherwise the files stay in memory for the next reader, such as the upload."""
    evicted: list[OutputFile] = []
    monkeypatch.setattr("so8t_converter.one_pass.free_memory_bytes", lambda: free)
    monkeypatch.setattr(OutputFile, "evict", lambda self: evicted.append(self))
    plan = _plan(Tensor("blk.0.attn_v.weight", (3, 256), "F16", Computed(lambda: _values(3))))
    write_files(plan, {"f16": tmp_path / "f16"})
    assert bool(evicted) == evicts


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


class _Counting(Stored):
    """A stored tensor that counts the rows read of it."""

    def reader(self) -> Reader:
        read = super().reader()

        def counted(start: int, size_bytes: int) -> Bytes:
            ROWS_READ.append(size_bytes // 1024)
            return read(start, size_bytes)

        return counted


ROWS_READ: list[int] = []
TARGETS: tuple[Quantization, ...] = ("f16", "q8_0", "q4_k_m")


def _resumable(folder: Path) -> Plan:
    """Twelve layers, so that the files' orders differ, of five pieces each."""
    folder.mkdir()
    sources = [_stored(folder / f"{i}", _values(5) + i, "F32") for i in range(12)]
    return _plan(
        *(
            Tensor(f"blk.{i}.attn_q.weight", (5, 256), "F16", _Counting("F32", source.path, 7, source.size_bytes))
            for i, source in sorted(enumerate(sources), key=lambda item: str(item[0]))
        )
    )


def _pass(plan: Plan, folder: Path, stop_after: int = 99, key: str = "key") -> dict[Quantization, FinishedFile]:
    """One attempt; returns what it wrote."""
    folder.mkdir(exist_ok=True)
    left = iter(range(stop_after))

    def stop() -> None:
        if next(left, None) is None:
            raise Interrupted("")

    ROWS_READ.clear()
    return write_files(plan, {name: folder / name for name in TARGETS}, stop, unfinished=Unfinished(folder, key))


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("so8t_converter.one_pass._PIECE_VALUES", 256)


def _sha256(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in TARGETS}


@pytest.mark.usefixtures("small_pieces")
def test_digests_are_the_files(tmp_path: Path) -> None:
    """Each sha256 is that of the file's bytes, although no two files have their tensors in one order."""
    written = _pass(_resumable(tmp_path / "model"), tmp_path / "out")
    assert {name: file.sha256 for name, file in written.items()} == _sha256(tmp_path / "out")
    assert sum(ROWS_READ) == 12 * 5


@pytest.mark.usefixtures("small_pieces")
def test_only_what_is_missing_is_computed(tmp_path: Path) -> None:
    """A pass that stopped after seven tensors is continued: the others are read, and all bytes are the same."""
    plan = _resumable(tmp_path / "model")
    expected = _pass(plan, tmp_path / "once")
    with pytest.raises(Interrupted):
        _pass(plan, tmp_path / "twice", stop_after=7)
    begun = sum(ROWS_READ)
    assert 7 * 5 <= begun < 12 * 5
    assert _pass(plan, tmp_path / "twice") == expected
    assert sum(ROWS_READ) == 12 * 5 - begun
    assert _sha256(tmp_path / "twice") == _sha256(tmp_path / "once")
    assert _pass(plan, tmp_path / "twice") == expected
    assert ROWS_READ == []


def _spoil_bytes(folder: Path) -> int:
    """Zero a page of one file, as a power cut may: one or two pieces of it."""
    with (folder / "f16").open("r+b") as file:
        start = json.loads((folder / "f16.journal").read_bytes().splitlines()[5])[1]
        file.seek(start)
        file.write(bytes(512))
    return 1


def _tear_line(folder: Path) -> int:
    """Cut the journal within its last line."""
    journal = folder / "q8_0.journal"
    os.truncate(journal, journal.stat().st_size - 3)
    return 1


def _cut_file(folder: Path) -> int:
    """Lose the end of a file: all its pieces behind."""
    lines = (folder / "q4_k_m.journal").read_bytes().splitlines()[1:]
    starts = sorted(json.loads(line)[1] for line in lines)
    os.truncate(folder / "q4_k_m", starts[-4])
    return 4


def _spoil_line(folder: Path) -> int:
    """Zeros in the journal: whatever stands behind is doubtful."""
    journal = folder / "f16.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:-6], bytes(40), *lines[-6:]]))
    return 6


def _remove_file(folder: Path) -> int:
    (folder / "q8_0").unlink()
    return 12 * 5


def _another_format(folder: Path) -> int:
    journal = folder / "q8_0.journal"
    journal.write_bytes(journal.read_bytes().replace(b'"format": ', b'"format": 9'))
    return 12 * 5


@pytest.mark.parametrize("spoil", [_spoil_bytes, _tear_line, _cut_file, _spoil_line, _remove_file, _another_format])
@pytest.mark.usefixtures("small_pieces")
def test_what_a_power_cut_spoiled_is_computed_again(tmp_path: Path, spoil: Callable[[Path], int]) -> None:
    """No piece counts by the journal's word alone, and no more is computed than what was spoiled."""
    plan = _resumable(tmp_path / "model")
    expected = _pass(plan, tmp_path / "out")
    rows = spoil(tmp_path / "out")
    assert _pass(plan, tmp_path / "out") == expected
    assert sum(ROWS_READ) == rows
    assert _sha256(tmp_path / "out") == {name: file.sha256 for name, file in expected.items()}


@pytest.mark.usefixtures("small_pieces")
def test_nothing_stale_is_taken(tmp_path: Path) -> None:
    """Another key, or another header, begins anew; files without a journal are overwritten."""
    plan = _resumable(tmp_path / "model")
    expected = _pass(plan, tmp_path / "out")
    assert _pass(plan, tmp_path / "out", key="other") == expected
    assert sum(ROWS_READ) == 12 * 5
    changed = Plan(plan.metadata | {"so8t.x": GGUFValue(1, GGUFValueType.UINT32)}, plan.tensors, plan.where)
    assert _pass(changed, tmp_path / "out", key="other") != expected
    assert sum(ROWS_READ) == 12 * 5
    for name in TARGETS:
        (tmp_path / "out" / f"{name}.journal").unlink()
        (tmp_path / "out" / name).write_bytes(b"x" * 100_000)
    assert _pass(plan, tmp_path / "out") == expected
    assert _sha256(tmp_path / "out") == {name: file.sha256 for name, file in expected.items()}


PEAK = """
import resource, sys
from pathlib import Path
from tests.unit.converter.test_one_pass import _plan
from so8t_converter.one_pass import write_files
from so8t_converter.plan import Stored, Tensor
folder, rows = Path(sys.argv[1]), int(sys.argv[2])
with (folder / "weights").open("wb") as file:
    file.truncate(rows * 2048)
source = Stored("BF16", folder / "weights", 0, rows * 2048)
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
before = peak()
write_files(_plan(Tensor("token_embd.weight", (rows, 1024), "F16", source)), {"q8_0": folder / "q8"}, threads=2)
print(peak() - before)
"""


def test_a_huge_embedding_takes_no_memory(tmp_path: Path) -> None:
    """A tensor of 256 MiB passes in pieces: the peak grows by what two threads hold, not by the tensor."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PEAK, str(tmp_path), str(1 << 17)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=100)
    assert int(done.stdout) < 64
