"""The worker process quantizes rows as ggml does and speaks JSON lines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
import pytest

from so8t_converter.quantize_worker import Job, quantized_rows


def _job(**changes: object) -> Job:
    job = {
        "source_offset": 64,
        "target_offset": 5,
        "rows": 3,
        "length": 256,
        "source_type": "F16",
        "target_type": "Q8_0",
    }
    return Job(**(job | changes))  # type: ignore[typeddict-item]


def _source(path: Path) -> np.ndarray:
    values = np.random.default_rng(0).normal(size=(3, 256)).astype(np.float16)
    path.write_bytes(b"\0" * 64 + values.tobytes())
    return values


@pytest.mark.parametrize(("kind", "error"), [("Q8_0", 0.02), ("Q6_K", 0.08), ("Q5_0", 0.15), ("Q4_K", 0.25)])
def test_rows_come_back(tmp_path: Path, kind: str, error: float) -> None:
    """Dequantized by the gguf package, the rows are the source's within the type's rounding error."""
    values = _source(tmp_path / "source")
    data = quantized_rows(memoryview((tmp_path / "source").read_bytes()), _job(target_type=kind))
    found = gguf.quants.dequantize(np.frombuffer(data, np.uint8), gguf.GGMLQuantizationType[kind])
    assert np.abs(found.reshape(3, 256) - values.astype(np.float32)).max() < error


def _run(source: Path, target: Path, lines: list[str]) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-m", "so8t_converter.quantize_worker", str(source), str(target)],
        input="".join(line + "\n" for line in lines),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_process_writes_at_its_place(tmp_path: Path) -> None:
    """Only the job's bytes of the target change; each job is answered once; the end of input ends it."""
    _source(tmp_path / "source")
    target = tmp_path / "target"
    target.write_bytes(b"x" * 1000)
    assert _run(tmp_path / "source", target, [json.dumps(_job())] * 2) == [{}, {}]
    expected = quantized_rows(memoryview((tmp_path / "source").read_bytes()), _job())
    assert target.read_bytes() == b"x" * 5 + expected + b"x" * (1000 - 5 - len(expected))


def test_process_reports_faults(tmp_path: Path) -> None:
    """A job that cannot be done is answered with an error, and the next one is still done."""
    _source(tmp_path / "source")
    target = tmp_path / "target"
    target.write_bytes(b"")
    bad, good = _run(tmp_path / "source", target, [json.dumps(_job(length=100)), json.dumps(_job())])
    assert "multiple" in str(bad["error"])
    assert good == {}


def test_full_disk_is_reported_with_its_number(tmp_path: Path) -> None:
    """A write that fails names the errno, so that the stage can tell a full disk."""
    _source(tmp_path / "source")
    (answer,) = _run(tmp_path / "source", Path("/dev/full"), [json.dumps(_job(target_offset=0))])
    assert answer["errno"] == 28


def test_it_stays_light() -> None:
    """The worker imports neither torch nor transformers, so starting one costs little."""
    code = "import sys, so8t_converter.quantize_worker as w; print({'torch', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
