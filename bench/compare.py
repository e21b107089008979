"""Claim: `so8t-ab compare` judges 100,000 rows a side within 15 s of CPU and 600 MB.

The rows have all optional keys, three rows a group, and come in different order.

    python bench/compare.py [--rows N]
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_GOAL_CPU_S = 15.0
_GOAL_MB = 600.0
_LABELS = ("ALLOW", "ESCALATION", "DENY", "REFUSE")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="CPU time and memory of a comparison of two logs.")
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as name:
        logs = [_write(Path(name) / f"{side}.jsonl", rows, share, seed) for seed, side, share in _SIDES]
        began = time.monotonic()
        command = [sys.executable, "-m", "so8t_shared.cli", "compare", *map(str, logs), "--json"]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s, size_mb = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6
    met = "met" if cpu_s <= _GOAL_CPU_S and size_mb <= _GOAL_MB else "NOT MET"
    print(f"{rows:,} rows a side: {json.loads(done.stdout)['verdict']}, {time.monotonic() - began:.1f} s")
    print(f"CPU {cpu_s:.1f} s (goal {_GOAL_CPU_S:g}), peak {size_mb:.0f} MB (goal {_GOAL_MB:g}): {met}")


_SIDES = ((1, "a", 0.8), (2, "b", 0.85))


def _write(path: Path, rows: int, share: float, seed: int) -> Path:
    chosen = random.Random(seed)
    with path.open("w") as file:
        for i in chosen.sample(range(rows), rows):
            gold = _LABELS[i % 4]
            said = gold if chosen.random() < share else chosen.choice([*_LABELS, None])
            row = {"id": f"row-{i}", "gold": gold, "predicted": said, "group": f"template-{i // 3}"}
            row |= {"language": "en" if i % 3 else "ja", "category": f"category-{i % 23}"}
            row["logprobs"] = {label: -0.1 if label == said else -3 - chosen.random() for label in _LABELS}
            file.write(json.dumps(row) + "\n")
    return path


if __name__ == "__main__":
    main()
