"""Claim: a conversion of 3.8 billion parameters reads the checkpoint once, writes each file once, and stays in 1 GiB.

A random bfloat16 checkpoint of Phi-3.5-mini's shape (long rope, shards of 1 GiB) is converted to F16, Q8_0 and Q4_K_M
four times: by `so8t-ab convert`; by the stage convert-a on a host that has never seen it, which first has to identify
it, and on one that knows it; and by the stage convert-b from what training's own merge writes of it with a gate in
every layer. Gates are folded by that merge, so convert-b reads ordinary weights.

Of the process and its children: memory is the largest sum of their own pages, those of mapped files left out; reads are
what came from the disk, whose cache is emptied before, beside what was asked for by read(); writes are by write().

    python bench/scale.py [--layers 32] [--only convert,"convert-a anew",convert-a,convert-b] [--folder FOLDER]

Needs 23 GB on the disk of FOLDER, less with fewer layers.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from safetensors.torch import save_file  # noqa: E402
from tests.tiny_tokenizers import PHI3_SPECIAL, save_phi3_tokenizer  # noqa: E402
from tests.unit.shared.material import make_inputs, run_stage  # noqa: E402
from transformers import GenerationConfig, Phi3Config  # noqa: E402

from so8t_shared.artifacts.digests import DigestCache  # noqa: E402
from so8t_shared.artifacts.fingerprints import inputs_digests  # noqa: E402
from so8t_shared.config.load import load_config  # noqa: E402
from so8t_shared.models.hf_folder import read_json, weight_files  # noqa: E402
from so8t_shared.models.shards import ShardWriter  # noqa: E402
from so8t_shared.running.context import StageContext  # noqa: E402
from so8t_shared.sessions.session import open_session  # noqa: E402
from so8t_shared.stages import stage_named  # noqa: E402
from so8t_shared.store.open import open_store  # noqa: E402
from so8t_shared.tables.architectures import PHI3, sizes_of  # noqa: E402
from so8t_trainer.merge import Changes, merge_checkpoint  # noqa: E402

NEW = "convert-a anew"
PATHS = ("convert", NEW, "convert-a", "convert-b")
GOALS = {"read": 1.02, "written": 1.02, "memory": 1.0}
"""Share of the checkpoint, share of the files, and GiB."""
GB, GIB = 1e9, 1 << 30
_LOOK_S = 0.05


@dataclass
class Used:
    """What a process and its children used."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    memory: int = 0
    """Bytes of anonymous and shared pages, all processes together, at most."""
    counted: dict[str, int] = field(default_factory=dict)
    """Sums of /proc/PID/io."""
    disk: int = 0
    """Bytes that the folder grew by, at most."""


def measure(command: list[str], folder: Path) -> Used:
    """Run a command that writes below `folder`, and measure it; exit with its output if it fails."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    used, before, began = Used(), _size(folder), time.monotonic()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        ended = threading.Event()
        watcher = threading.Thread(target=_watch, args=(process.pid, folder, before, used, ended))
        watcher.start()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        used.wall_s = time.monotonic() - began
        used.counted = _counted(process.pid)  # of a process not yet reaped, with the children that it has waited for
        ended.set()
        watcher.join()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            sys.exit(log.read().decode(errors="replace"))
    used.cpu_s = usage.ru_utime + usage.ru_stime
    return used


def _watch(pid: int, folder: Path, before: int, used: Used, ended: threading.Event) -> None:
    looks = 0
    while not ended.wait(_LOOK_S):
        used.memory = max(used.memory, sum(map(_own_pages, _tree(pid))))
        looks += 1
        if looks % 10 == 0:
            used.disk = max(used.disk, _size(folder) - before)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return
    for child in found:
        yield from _tree(int(child))


def _own_pages(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon:", "RssShmem:")))


def _counted(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
    return {name: int(value) for name, value in (line.split(": ") for line in lines)}


def _size(folder: Path) -> int:
    """Return the bytes on the disk below a folder; a file with several names counts once."""
    found: dict[int, int] = {}
    for path in folder.rglob("*"):
        try:
            stat = path.lstat()
        except OSError:
            continue
        found[stat.st_ino] = stat.st_blocks * 512
    return sum(found.values())


def make_checkpoint(folder: Path, layers: int) -> Path:
    """Write a random checkpoint of Phi-3.5-mini's shape, shard by shard."""
    pieces = save_phi3_tokenizer(folder, 700)
    ids = {"bos_token_id": 1, "eos_token_id": pieces, "pad_token_id": pieces}
    rope = {"rope_type": "longrope", "rope_theta": 10000.0, "original_max_position_embeddings": 4096}
    config = Phi3Config(
        vocab_size=32064,
        hidden_size=3072,
        intermediate_size=8192,
        num_hidden_layers=layers,
        num_attention_heads=32,
        num_key_value_heads=32,
        max_position_embeddings=131072,
        original_max_position_embeddings=4096,
        rope_parameters={**rope, **{f"{name}_factor": [1 + 0.1 * i for i in range(48)] for name in ("short", "long")}},
        sliding_window=262144,
        tie_word_embeddings=False,
        architectures=[PHI3.name],
        dtype="bfloat16",
        **ids,
    )
    config.save_pretrained(folder)
    ends = [pieces, pieces + PHI3_SPECIAL.index("<|end|>")]
    GenerationConfig(**{**ids, "eos_token_id": ends}).save_pretrained(folder)
    shards: ShardWriter[torch.Tensor] = ShardWriter(folder, lambda held, path: save_file(held, path, {"format": "pt"}))
    generator = torch.Generator().manual_seed(0)
    for name, shape in PHI3.shapes(sizes_of(read_json(folder / "config.json"), folder)).items():
        values = torch.empty(shape, dtype=torch.bfloat16).normal_(0, 0.02, generator=generator)
        shards.add(name, values + 1 if name.endswith("norm.weight") else values)
    shards.finish()
    return folder


def train(ctx: StageContext, base: Path) -> None:
    """Write what training would: its configuration, and its own merge of the base with random gates."""
    config = read_json(base / "config.json")
    shape = (config["hidden_size"] // 8, 28)
    gates = np.random.default_rng(0).normal(0, 0.1, (config["num_hidden_layers"], *shape)).astype(np.float32)
    names = [f"model.layers.{i}.self_attn.so8t_gate" for i in range(len(gates))]
    changes = Changes(gates=dict(zip(names, map(torch.from_numpy, gates), strict=True)))
    merge_checkpoint(base, changes, ctx.output_dir / "merged")
    (ctx.output_dir / "training_config.yaml").write_text(yaml.safe_dump(ctx.config.training.model_dump(mode="json")))


class Bench:
    """The conversions, one after another in one folder."""

    def __init__(self, folder: Path, layers: int) -> None:
        self._folder = folder
        self._base = make_checkpoint(folder / "base", layers)
        make_inputs(folder / "inputs")
        self._config = folder / "config.yaml"
        settings = {
            "model_a": {"base_model": str(self._base)},
            "dataset": {"paths": [str(folder / "inputs" / "rows.jsonl")]},
            "checkpoint_dir": str(folder / "store"),
            "output_base_dir": str(folder / "results"),
            "output_layout": "report",  # no copy of model B beside the report
        }
        self._config.write_text(yaml.safe_dump(settings))

    def run(self, path: str) -> None:
        """Convert on one path, print the row, and remove the files."""
        source, output = self._base, self._folder / "gguf"
        command = [sys.executable, "-m", "so8t_shared.cli"]
        if path == "convert":
            command += ["convert", str(source), "-o", str(output)]
        else:
            command += ["stage", path.split()[0], "-c", str(self._config)]
        if path == "convert-b":
            source = self._trained()
        elif path == "convert-a":
            self._identify()
        _empty_cache(source)
        used = measure(command, self._folder)
        files = sorted(self._folder.rglob("*.gguf"), key=lambda file: file.stat().st_size)
        made = sum({file.stat().st_ino: file.stat().st_size for file in files}.values())
        _print(path, used, sum(file.stat().st_size for file in weight_files(source)), made)
        for file in files:
            file.unlink()

    def _identify(self) -> None:
        config = load_config(self._config)
        digests = DigestCache(open_store(config).local_root / "digests.sqlite")
        inputs_digests(stage_named("convert-a"), config, digests)

    def _trained(self) -> Path:
        """Leave the merged checkpoint as training's artifact, and remove the base's weights."""
        config = load_config(self._config)
        store = open_store(config)
        run_stage(stage_named("train"), open_session(store, config), store, lambda ctx: train(ctx, self._base))
        for file in weight_files(self._base):
            file.unlink()
        return next((self._folder / "store").glob("artifacts/train/*/attempts/*/output/merged"))


def _empty_cache(folder: Path) -> None:
    """Make the next read of the weights come from the disk."""
    for file in weight_files(folder):
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _print(path: str, used: Used, source: int, made: int) -> None:
    read, asked, written = (used.counted[name] for name in ("read_bytes", "rchar", "wchar"))
    print(
        f"{path}: {used.wall_s:.0f} s, {used.cpu_s:.0f} s of CPU; memory {used.memory / GIB:.2f} GiB;"
        f" checkpoint {source / GB:.2f} GB, read from the disk {read / GB:.2f} GB ({read / source:.2f}),"
        f" by read() {asked / GB:.2f} GB; files {made / GB:.2f} GB, written {written / GB:.2f} GB"
        f" ({written / made:.2f}); disk needed {used.disk / GB:.2f} GB"
    )
    found = {"read": read / source, "written": written / made, "memory": used.memory / GIB}
    for name, value in found.items():
        verdict = "met" if value <= GOALS[name] else "NOT MET"
        print(f"  {name}: {value:.2f} (goal {GOALS[name]:g}): {verdict}", flush=True)


def main() -> None:
    """Measure each path."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--only", default=",".join(PATHS), help="paths to measure, with commas")
    parser.add_argument("--folder", type=Path, help="where to write")
    parser.add_argument(
        "--make", type=Path, metavar="FOLDER", help="only write the checkpoint, for bench/convert.py --model"
    )
    arguments = parser.parse_args()
    if arguments.make:
        make_checkpoint(arguments.make, arguments.layers)
        return
    if arguments.folder:
        arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        needed = int(arguments.layers / 32 * 23 * GB)
        if (free := shutil.disk_usage(name).free) < needed:
            print(f"CANNOT BE MEASURED HERE: {needed / GB:.0f} GB of disk are needed, {free / GB:.0f} GB are free")
            return
        bench = Bench(Path(name), arguments.layers)
        for path in arguments.only.split(","):
            bench.run(path)


if __name__ == "__main__":
    main()
