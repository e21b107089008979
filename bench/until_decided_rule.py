"""False alarms of the whole rule behind `ab_test.until_decided`, with the default gate and the product's own code.

    python bench/until_decided_rule.py                 # 10,000 runs per skill

A and B are equally good: each is right on a row with the same chance and independently, and else says another class.
Rows, batches, looks and levels are those of the demo: 144 single rows of four classes. The product's decider judges
every look at which the headline is significant, which it must be to end a run: so clauses count that have passed, have
failed, or cannot pass any more. A false alarm: a run ends early, or finds a difference in the usual test of all rows.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "services/evaluator"))
sys.path.insert(0, str(Path(__file__).parents[1] / "shared"))

from so8t_evaluator.asking_until import Until, in_random_order
from so8t_evaluator.stats.anytime import Levels, log_capital
from so8t_evaluator.stats.mcnemar import mcnemar_exact
from so8t_evaluator.until_decided import Decider
from so8t_shared.config.gguf import Gguf
from so8t_shared.config.model import AbTest
from so8t_shared.labels import LABELS
from so8t_shared.results.answers import Sample
from so8t_shared.results.sides import SIDES
from so8t_shared.results.training import LabeledRow

ROWS = [LabeledRow(id=f"row {i}", text=f"row {i}", label=LABELS[i % 4]) for i in range(144)]
SETTINGS = AbTest(scoring=["generate"], until_decided=True)
GROUPS = in_random_order(ROWS, SETTINGS.seed)
ORDER = [row for group in GROUPS for row in group]
GOLD = np.array([LABELS.index(row.label) for row in ORDER])
DECIDER = Decider(SETTINGS, Gguf(quantizations=["q4_k_m"]), GROUPS)
LOOKS = np.cumsum([len(batch) for batch in Until(GROUPS, DECIDER, SETTINGS.speed_samples).batches])[:-1]
LEVELS = Levels.of(SETTINGS.confidence)


def draw(rng: np.random.Generator, runs: int, skill: float) -> NDArray[np.int64]:
    """Return the classes that A and B say: [runs, 2, rows]."""
    wrong = (GOLD + rng.integers(1, len(LABELS), (runs, 2, len(GOLD)))) % len(LABELS)
    return np.where(rng.random(wrong.shape) < skill, GOLD, wrong)


def samples(said: NDArray[np.int64], rows: int) -> list[Sample]:
    """Return both models' answers to the first rows."""
    cost = {"answer_sha256": "0" * 64, "prompt_tokens": 1, "completion_tokens": 1, "latency_ms": 1.0, "ttft_ms": 1.0}
    return [
        Sample.model_validate(
            {"model": side, "quantization": "q4_k_m", "scoring": "generate", "row_id": row.id, "gold": row.label}
            | {"predicted": LABELS[code], "final": LABELS[code], "host": "", **cost}
        )
        for side, codes in zip(SIDES, said, strict=True)
        for row, code in zip(ORDER[:rows], codes, strict=False)
    ]


def simulate(runs: int, skill: float) -> str:
    """Return the row of the table."""
    said = draw(np.random.default_rng(round(1000 * skill)), runs, skill)
    right = said == GOLD
    difference = right[:, 1].astype(np.float64) - right[:, 0]
    sizes = np.ones_like(difference)
    up, down = (log_capital((1 + sign * difference) / 2, sizes, 0.5, len(GROUPS)) for sign in (1, -1))
    significant = np.maximum(up, down)[:, LOOKS - 1] > np.log(2 / (1 - LEVELS.early))
    early, lost, late = np.zeros(runs, np.bool_), 0, 0
    for run in np.flatnonzero(significant.any(axis=1)):
        looks = (DECIDER(samples(said[run], rows)) for rows in LOOKS[significant[run]])
        cannot_pass = next((found for found in looks if found is not None), None)
        early[run], lost = cannot_pass is not None, lost + bool(cannot_pass)
    for row in difference[~early]:
        late += mcnemar_exact(int((row < 0).sum()), int((row > 0).sum())) < 1 - LEVELS.late
    figures = (100 * (early.sum() + late) / runs, 100 * significant.any(axis=1).mean(), 100 * early.mean())
    return "{:.2f}; {:.2f}; {:.2f}".format(*figures) + f"; {lost} runs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000, help="simulated runs per skill")
    runs, started = parser.parse_args().runs, time.process_time()
    print(
        f"{runs:,} A/A runs, nominal 5: false alarms in %; headline significant at a look; ended early; of these by a"
    )
    print("clause that could not pass any more")
    for skill in (0.3, 0.5, 0.7, 0.8, 0.9, 0.95):
        print(f"  right on {skill:.0%}: {simulate(runs, skill)}", flush=True)
    print(f"{time.process_time() - started:.0f} CPU-seconds")


if __name__ == "__main__":
    main()
