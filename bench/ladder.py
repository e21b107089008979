"""Claim: after a run, the ladder of the demo's B takes at most two minutes on two cores: 60 rows, five rungs.

The rungs are the trained model, the merged checkpoint, and F16, Q8_0 and Q4_K_M in llama.cpp, in a folder of their own:
nothing is taken over from an earlier ladder.

    python bench/ladder.py [--run demo-run] [--rounds 1]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GOAL_S = 120.0
ROWS = 60
RUNGS = ("trained", "merged", "f16", "q8_0", "q4_k_m")


def main() -> int:
    """Print the least time; return 1 if it is not met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=ROOT / "demo-run", help="folder of a finished demo (demo-run)")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="ladders (1)")
    given = parser.parse_args()
    if not (given.run / "store").is_dir():
        print(f"CANNOT BE MEASURED HERE: {given.run} has no finished run; `make demo` makes one")
        return 0
    best = min(_seconds(given.run.resolve()) for _ in range(given.rounds))
    print(f"{ROWS} rows, {len(RUNGS)} rungs: {best:.0f} s (goal {GOAL_S:g}): {'met' if best <= GOAL_S else 'NOT MET'}")
    return 0 if best <= GOAL_S else 1


def _seconds(run: Path) -> float:
    """Climb once, and check that every rung has every row."""
    command = [sys.executable, "-m", "so8t_shared.cli", "ladder", "-c", str(run / "demo.yaml")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "ladder"
        options = ["--rows", str(ROWS), "--rungs", ",".join(RUNGS), "--output", str(folder)]
        began = time.monotonic()
        subprocess.run([*command, *options], check=True, cwd=run.parent, env=os.environ | {"HF_HUB_OFFLINE": "1"})
        took = time.monotonic() - began
        [ladder] = json.loads((folder / "ladder.json").read_bytes())["ladders"]
        found = ladder["rows"], *(rung["name"] for rung in ladder["rungs"])
        if found != (ROWS, *RUNGS):
            sys.exit(f"These are not the rows and rungs: {found}")
    return took


if __name__ == "__main__":
    sys.exit(main())
