"""`ab_test.until_decided`: false alarms where A and B are equal, power, and rows saved.

    python bench/until_decided.py                      # simulations, about two CPU-minutes
    python bench/until_decided.py --run demo-run/store # and what a finished run would have saved

Each simulated run asks groups of rows in random order and looks after each group, which is oftener than the product
does. A false alarm: either direction is significant at any look, or in the usual test of all rows at the end.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "services/evaluator"))
sys.path.insert(0, str(Path(__file__).parents[1] / "shared"))

from so8t_evaluator.asking_until import Until, in_random_order
from so8t_evaluator.stats.anytime import Levels, log_capital
from so8t_evaluator.stats.mcnemar import mcnemar_exact
from so8t_evaluator.stats.paired import paired_p
from so8t_evaluator.until_decided import decider
from so8t_shared.config.model import Config
from so8t_shared.results.answers import Sample
from so8t_shared.results.training import LabeledRow

ALPHA = 0.05
EARLY, LATE = (round(1 - level, 12) for level in (Levels.of(1 - ALPHA).early, Levels.of(1 - ALPHA).late))
Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], tuple[Floats, Floats]]
"""(generator, runs) -> each run's sums of B minus A, and sizes, by group in the order of asking: [runs, groups]."""


@dataclass(frozen=True)
class World:
    """How rows are answered; a group's rows share what is drawn for the group with probability `alike`."""

    name: str
    sizes: tuple[int, ...]
    a: float = 0.5
    """A's share of the rows that only one model gets right."""
    differing: float = 0.2
    alike: float = 0.0

    def draw(self, rng: np.random.Generator, runs: int) -> tuple[Floats, Floats]:
        sizes = rng.permuted(np.tile(np.array(self.sizes), (runs, 1)), axis=1)
        largest = max(self.sizes)
        shape = (*sizes.shape, largest)
        own, shared = self._rows(rng, shape), self._rows(rng, (*sizes.shape, 1))
        rows = np.where(rng.random(shape) < self.alike, shared, own)
        rows[np.arange(largest) >= sizes[..., None]] = 0
        return rows.sum(axis=-1).astype(np.float64), sizes.astype(np.float64)

    def _rows(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int8]:
        u = rng.random(shape)
        return (u < self.differing * (1 - self.a)).astype(np.int8) - (u > 1 - self.differing * self.a)


@dataclass(frozen=True)
class FixedPool:
    """A pool in which B's gains and losses are equal, asked in random order without replacement."""

    name: str
    groups: int
    differing: float
    size: int = 1
    lopsided: bool = False
    """Whether B loses whole groups and gains as many single rows."""

    def draw(self, rng: np.random.Generator, runs: int) -> tuple[Floats, Floats]:
        each = np.zeros(self.groups)
        changed = int(self.groups * self.differing) // 2 * 2
        each[:changed] = np.where(np.arange(changed) % 2, 1.0, -1.0)
        if self.lopsided:
            lost = max(1, changed // (self.size + 1))
            each[:changed] = 1.0
            each[:lost] = -self.size
            each[lost * (self.size + 1) :] = 0
        sums = rng.permuted(np.tile(each, (runs, 1)), axis=1)
        return sums, np.full(sums.shape, float(self.size))


def looks(draw: Draw, runs: int, seed: int) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Yield, in portions, the larger logarithm of both capitals at each look [runs, t], and the sums and sizes."""
    rng, done = np.random.default_rng(seed), 0
    while done < runs:
        sums, sizes = draw(rng, min(500, runs - done))
        largest, groups = float(sizes.max()), sums.shape[1]
        up, down = (log_capital((sizes + sign * sums) / 2 / largest, sizes / largest, 0.5, groups) for sign in (1, -1))
        yield np.maximum(up, down), sums, sizes
        done += len(sums)


def ends(draw: Draw, runs: int, seed: int) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return, by run: the share of rows asked, and whether a difference is found early, in all, and by the usual test.

    The usual test has the whole level; after looks that found nothing, the level that is left.
    """
    share, early, late, usual = list[float](), list[bool](), list[bool](), list[bool]()
    for capital, sums, sizes in looks(draw, runs, seed):
        crossed = capital[:, :-1] > np.log(2 / EARLY)
        stopped = crossed.any(axis=1)
        last = np.where(stopped, crossed.argmax(axis=1), sums.shape[1] - 1)
        share += (np.take_along_axis(sizes.cumsum(axis=1), last[:, None], 1)[:, 0] / sizes.sum(axis=1)).tolist()
        p = np.array([_usual_p(*run) for run in zip(sums, sizes, strict=True)])
        early += stopped.tolist()
        late += (~stopped & (p < LATE)).tolist()
        usual += (p < ALPHA).tolist()
    found = np.array(early) | np.array(late)
    return np.array(share), np.array(early), found, np.array(usual)


def _usual_p(sums: Floats, sizes: Floats) -> float:
    if sizes.max() == 1:
        return _mcnemar(int((sums < 0).sum()), int((sums > 0).sum()))
    rows = [np.sign(s) * (np.arange(int(n)) < abs(s)) for s, n in zip(sums, sizes, strict=True)]
    groups = np.repeat(np.arange(len(sizes)), sizes.astype(int))
    return paired_p(np.concatenate(rows).astype(np.int8), groups)


_mcnemar = cache(mcnemar_exact)


MIXED = (1,) * 40 + (3,) * 20 + (10,) * 10
EQUAL: tuple[World | FixedPool, ...] = (
    World("144 single rows, 20% differ", (1,) * 144),
    World("144 single rows, 60% differ", (1,) * 144, differing=0.6),
    World("1,000 single rows, 20% differ", (1,) * 1000),
    World("1,000 single rows, 2% differ", (1,) * 1000, differing=0.02),
    World("100 groups of 3, correlation 0.3", (3,) * 100, alike=0.55),
    World("60 groups of 10, all alike", (10,) * 60, alike=1.0),
    World("40 single, 20 of 3, 10 of 10, correlation 0.3", MIXED, alike=0.55),
    World("40 single, 20 of 3, 10 of 10, all alike", MIXED, alike=1.0),
    FixedPool("pool of 12 rows, all differ", 12, 1.0),
    FixedPool("pool of 40 rows, half differ", 40, 0.5),
    FixedPool("pool of 144 rows, 20% differ", 144, 0.2),
    FixedPool("pool of 60 groups of 5, lost whole and gained singly", 60, 0.6, size=5, lopsided=True),
)


def _percent(found: NDArray[np.bool_]) -> str:
    rate = float(found.mean())
    return f"{100 * rate:5.2f} +- {100 * np.sqrt(rate * (1 - rate) / len(found)):.2f}"


POWERED = (
    ("144 single rows", (1,) * 144, 0.0),
    ("500 single rows", (1,) * 500, 0.0),
    ("100 groups of 3, correlation 0.3", (3,) * 100, 0.55),
    ("40 single, 20 of 3, 10 of 10, correlation 0.3", MIXED, 0.55),
)


def simulate(runs: int) -> None:
    """Print all simulations."""
    print(
        f"false alarms in %, {runs:,} runs, nominal {100 * ALPHA:g}, looks after every group: early; in all; usual test"
    )
    for number, world in enumerate(EQUAL):
        _, early, found, usual = ends(world.draw, runs, number)
        print(f"  {_percent(early)}; {_percent(found)}; {_percent(usual)}  {world.name}", flush=True)
    for what, sizes, alike in POWERED:
        print(f"power in %; that of the usual test; rows asked in %: {what}")
        for points in (5, 10, 20, 30, 40):
            differing = max(0.2, points / 100 + 0.1)
            world = World("", sizes, a=(1 - points / 100 / differing) / 2, differing=differing, alike=alike)
            share, _, found, usual = ends(world.draw, runs // 20, points)
            print(f"  {points:2} points: {_percent(found)}; {_percent(usual)}; {100 * share.mean():5.1f}", flush=True)


GATES = {
    "the run's own gate": (),
    "B better, not worse by 5 points": ("B is better", "B is not worse anywhere"),
    "these, and no more false allows and over-refusals than A": (
        *("B is better", "B is not worse anywhere"),
        *("no more false allows than A", "no more over-refusals than A"),
    ),
}
"""Clauses that are kept of the gate; none: all of them."""


def recompute(store: Path, seeds: int) -> None:
    """Print where each finished run of a store would have ended, from its recorded answers."""
    for session in sorted(store.glob("sessions/*/session.json")):
        outputs = [_output(store, session.parent, stage) for stage in ("evaluate", "train")]
        if all(outputs):
            _recompute(session, *outputs, seeds)


def _output(store: Path, session: Path, stage: str) -> Path | None:
    completed = session / stage / "completed.json"
    if not completed.is_file():
        return None
    fingerprint = json.loads(completed.read_bytes())["fingerprint"]
    return next(store.glob(f"artifacts/{stage}/{fingerprint}/attempts/*/output"), None)


def _recompute(session: Path, evaluate: Path, train: Path, seeds: int) -> None:
    config = Config.model_validate(json.loads(session.read_bytes())["config"])
    samples = [
        s for s in Sample.read_lines(evaluate / "samples.jsonl") if s.quantization == config.gguf.primary_quantization
    ]
    tested = {s.row_id for s in samples}
    rows = [row for row in LabeledRow.read_lines(train / "splits/test.jsonl") if row.id in tested]
    for name, kept in GATES.items():
        gate = [clause for clause in config.ab_test.gate if not kept or clause.name in kept]
        ends = [
            _end(
                config.model_copy(update={"ab_test": config.ab_test.model_copy(update={"gate": gate, "seed": seed})}),
                rows,
                samples,
                train,
            )
            for seed in range(config.ab_test.seed, config.ab_test.seed + seeds)
        ]
        first, mean = ends[0], sum(ends) / len(ends)
        print(
            f"{session.parent.name}, {name}: {first} of {len(rows)} rows at its own seed,"
            f" {100 * (1 - first / len(rows)):.0f}% saved; {100 * (1 - mean / len(rows)):.0f}% over {seeds} seeds",
            flush=True,
        )


def _end(config: Config, rows: list[LabeledRow], samples: list[Sample], train: Path) -> int:
    """Return how many rows are asked."""
    groups = in_random_order(rows, config.ab_test.seed)
    decided = decider(config, groups, train / "splits")
    return Until(groups, decided, config.ab_test.speed_samples).ended_at(samples).rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000, help="simulated runs; 0 for none")
    parser.add_argument("--run", type=Path, help="store of finished runs, to recompute from their answers")
    parser.add_argument("--seeds", type=int, default=5, help="orders of asking for --run")
    arguments = parser.parse_args()
    started = time.process_time()
    if arguments.runs:
        simulate(arguments.runs)
    if arguments.run:
        recompute(arguments.run, arguments.seeds)
    print(f"{time.process_time() - started:.0f} CPU-seconds")


if __name__ == "__main__":
    main()
