"""Claim: 100,000 answers are concluded and reported within 15 s and 600 MB.

Simulated answers of two models at three quantizations under logprob and generate scoring, three rows a group, as the
evaluate stage leaves them. Then `conclude` and `report` run as the stages do, each in a process of its own; their
imports count.

    python bench/conclude_report.py [--answers N]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from tests.unit.reporter.builders import ENGINE, Evaluation, Scenario, write_lines  # noqa: E402
from tests.unit.reporter.builders_upstream import Folders, write_folders, write_record  # noqa: E402

from so8t_shared.labels import LABELS  # noqa: E402
from so8t_shared.results.asking import Asking  # noqa: E402
from so8t_shared.results.evaluation import AnswerLimit  # noqa: E402

GOAL_S, GOAL_MB = 15.0, 600.0
SETTINGS = 12
"""Models times quantizations times scorings."""

CONCLUDE = """
import sys
from pathlib import Path
from so8t_evaluator.conclude import conclude_from_files
from so8t_shared.config.model import AbTest
from so8t_shared.json_files import write_json
root = Path(sys.argv[1])
result = conclude_from_files(root / "evaluate", root / "train/splits", AbTest())
write_json(root / "conclude/evaluation.json", result)
"""
REPORT = """
import sys
from pathlib import Path
from so8t_reporter.inputs import Names, ReportSettings, load_inputs
from so8t_reporter.report import write_report
from so8t_shared.config.model import Visualization
root = Path(sys.argv[1])
converted = {stage: root / stage for stage in ("convert-a", "convert-b")}
folders = {name: root / name for name in ("evaluate", "conclude", "train")}
inputs = load_inputs(**folders, converted=converted, imported=root / "import")
settings = ReportSettings("20261122_224400", Names("a", "b", "", ""), Visualization(), models="models")
(root / "report").mkdir()
write_report(inputs, settings, root / "report")
"""


def main() -> int:
    """Print both stages; return 1 above a goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=100_000, metavar="N", help="answers (100,000)")
    answers = parser.parse_args().answers
    with tempfile.TemporaryDirectory() as name:
        _elsewhere(Path(name), answers // SETTINGS)
        found = {stage: _measure(code, name) for stage, code in (("conclude", CONCLUDE), ("report", REPORT))}
        size_mb = sum(path.stat().st_size for path in Path(name, "report").rglob("*") if path.is_file()) / 1e6
    for stage, (wall_s, cpu_s, peak_mb) in found.items():
        print(f"{stage}: {wall_s:.1f} s, CPU {cpu_s:.1f} s, peak {peak_mb:.0f} MB")
    wall_s, cpu_s, peak_mb = (
        fold(column) for fold, column in zip((sum, sum, max), zip(*found.values(), strict=True), strict=True)
    )
    met = cpu_s <= GOAL_S and peak_mb <= GOAL_MB
    print(f"{answers:,} answers, report of {size_mb:.0f} MB: {wall_s:.1f} s, CPU {cpu_s:.1f} s (goal {GOAL_S:g}), peak"
          f" {peak_mb:.0f} MB (goal {GOAL_MB:g}): {'met' if met else 'NOT MET'}")  # fmt: skip
    return 0 if met else 1


def _elsewhere(root: Path, rows: int) -> None:
    """Write the answers in another process: a child's peak is at least what its parent holds when it starts."""
    writer = multiprocessing.get_context("spawn").Process(target=_write, args=(root, rows))
    writer.start()
    writer.join()


def _measure(code: str, root: str) -> tuple[float, float, float]:
    """Return seconds, CPU seconds and peak megabytes of a process."""
    began = time.monotonic()
    child = os.posix_spawn(sys.executable, [sys.executable, "-c", code, root], os.environ)
    _, status, used = os.wait4(child, 0)
    if status:
        raise SystemExit(f"a stage ended with {status}")
    return time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6


def _write(root: Path, rows: int) -> Folders:
    """Write what the stages before leave behind; training rows as many as a fifth of the tested ones."""
    scenario = Scenario(
        support={label: (rows + i) // len(LABELS) for i, label in enumerate(LABELS)},
        scorings=("logprob", "generate"),
        group_size=3,
    )
    folders, evaluation = write_folders(root, scenario), Evaluation(scenario)
    quantizations = list(scenario.quantizations)
    asking = Asking(
        primary_quantization="q4_k_m", quantizations=quantizations, scorings=list(scenario.scorings), engine=ENGINE,
        answer_limit=AnswerLimit(max_new_tokens=48, longest_target_tokens=None),
        speed=[evaluation.speed(side, q) for q in quantizations for side in ("a", "b")],
    )  # fmt: skip
    write_record(folders.evaluate / "asking.json", asking)
    deciding = [s for s in evaluation.samples() if (s.model, s.quantization, s.scoring) == ("a", "q4_k_m", "logprob")]
    write_lines(folders.evaluate / "control.jsonl", deciding)
    write_lines(folders.train / "splits/train.jsonl", evaluation.rows()[::5])
    return folders


if __name__ == "__main__":
    sys.exit(main())
