"""Steps per second of two processes of one thread against one process of one thread, in alternating rounds.

    OMP_NUM_THREADS=1 python bench/ddp.py --base MODEL-FOLDER [--rounds 3] [--shard]

Prints each round and the ratio of the best rounds; the load says how far to trust it.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import tempfile
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

from so8t_shared.config.training import Training
from so8t_trainer.distributed.job import Job
from so8t_trainer.distributed.leader import train_together
from so8t_trainer.encode import EncodedRow


class _Nowhere:
    """Surroundings that keep nothing."""

    log = logging.getLogger("bench")
    stop_requested = False

    def __init__(self) -> None:
        self.checkpoints = self

    def names(self) -> list[str]:
        return []

    def save(self, name: str, folder: Path) -> None:
        """Keep nothing."""

    drop = check_held = check_interrupted = progress = lambda *_: None


def main() -> None:
    """Measure."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--shard", action="store_true")
    given = parser.parse_args()
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for round_ in range(given.rounds):
        for processes in seconds:
            seconds[processes].append(_step_s(given, processes))
        print(json.dumps({"round": round_, "load": os.getloadavg()[0], "step_s": seconds}), flush=True)
    print(f"ratio of the best rounds: {min(seconds[1]) / min(seconds[2]):.2f}")


def _step_s(given: argparse.Namespace, processes: int) -> float:
    """Return the median time of a step, without the first two."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(100, 500, (64, 160), generator=generator).tolist()
    rows = [EncodedRow(f"row{i}", tuple(one[:120]), tuple(one[120:])) for i, one in enumerate(ids)]
    settings = Training(max_steps=given.steps, batch_size=8, dtype="float32", base_bits=16, processes=processes)
    settings = settings.model_copy(update={"gradient_checkpointing": False, "gradient_accumulation_steps": 2})
    values = {"base": given.base, "settings": settings, "device": "cpu", "dtype": "float32"}
    with tempfile.TemporaryDirectory() as root:
        job = Job.of(rows, [], sharded=given.shard and processes > 1, **values)
        outcome = train_together(Path(root) / "job", job, processes, _Nowhere(), lambda point, held: None)
    return statistics.median(point.seconds for point in outcome.points[2:])


if __name__ == "__main__":
    main()
