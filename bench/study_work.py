"""Claim: a study computes nothing twice that its models share.

Two arms with three seeds each on the demo's model and rows, with few training steps. In the store of all six sessions,
this counts A's conversions, preparations of the rows, A's answers, and the answers of its control.

    python bench/study_work.py [--steps N] [--folder FOLDER]

Needs demo-run/ (make inputs). A FOLDER keeps the study, which goes on there after a stop.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.integration.study_work import Work, work_of  # noqa: E402

SEEDS = [1, 2, 3]
ARMS = [{"name": "lora", "set": {"training.so8t.enabled": False}}, {"name": "so8t"}]
MODELS = len(SEEDS) * len(ARMS)


def main() -> int:
    """Run the study, print what was computed, and return 1 if something was computed twice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=6, metavar="N", help="training steps of each model (6)")
    parser.add_argument("--folder", type=Path, help="where the study is kept")
    arguments = parser.parse_args()
    if not (ROOT / "demo-run" / "model" / "config.json").is_file():
        print("CANNOT BE MEASURED HERE: demo-run: make inputs")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        _run(folder, arguments.steps)
        return 0 if _print(work_of(folder / "store")) else 1


def _run(folder: Path, steps: int) -> None:
    study = {
        "name": "counted",
        "base": str(ROOT / "demo-run" / "demo.yaml"),
        "set": {
            "checkpoint_dir": str(folder / "store"),
            "output_base_dir": str(folder / "results"),
            "gguf.quantizations": ["Q4_K_M"],
            "ab_test.scoring": ["logprob"],
            "ab_test.speed_samples": 1,
            "training.max_steps": steps,
            "training.report_to": [],
        },
        "seeds": SEEDS,
        "arms": ARMS,
        "reference": "lora",
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    command = [sys.executable, "-m", "so8t_shared.cli", "study", "-c", str(folder / "study.yaml")]
    subprocess.run(command, cwd=ROOT, check=True)


def _print(work: Work) -> bool:
    rows = len(set(work.asked_a))
    counts = (
        ("conversions of A", work.committed["convert-a"], 1),
        ("trainings, conversions of B, evaluations", work.committed["train"], MODELS),
        ("preparations of the rows", work.prepared, 1),
        ("rows that A was asked", len(work.asked_a), rows),
        ("rows that A was asked again, as a control", len(work.control), rows),
        ("answers of B", work.asked_b, MODELS * rows),
    )
    for what, count, once in counts:
        print(f"{what:<42}{count:>6}  (shared work done once: {once})")
    print(f"answers of A and its control that were taken over: {2 * (MODELS - 1) * rows}")
    good = all(count == once for _, count, once in counts)
    print(f"goal: nothing shared is computed twice: {'met' if good else 'NOT MET'}")
    return good


if __name__ == "__main__":
    sys.exit(main())
