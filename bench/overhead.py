"""Claim: our own work for an answer takes at most 0.5 ms of CPU: prompt, key, cache, reading, redaction, sample.

The whole grid of an evaluation is asked for real, with the cache on the disk, of an engine that answers at once: what
is left is ours. Asked anew, then again from the cache.

    python bench/overhead.py [--answers N]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Self

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from tests.unit.evaluator.material import make_chat, make_row  # noqa: E402

from so8t_engines.protocol import Completion, LoadedModel, ModelFile, Outcome, Question, Settings  # noqa: E402
from so8t_evaluator.asking import Candidate  # noqa: E402
from so8t_evaluator.grid import Count, Grid  # noqa: E402
from so8t_shared.artifacts.shelves import Shelves  # noqa: E402
from so8t_shared.config.model import AbTest  # noqa: E402
from so8t_shared.labels import LABELS  # noqa: E402
from so8t_shared.results.sides import SIDES  # noqa: E402
from so8t_shared.store.local import LocalStore  # noqa: E402

GOAL_MS = 0.5
TEXT = "<think>the request names a customer, so the rule on personal data holds</think><final>{}</final>"
PER_ROW = 5
"""Two models under two scorings, and the control."""


class Instant(LoadedModel):
    """An engine, and its model, whose answers cost nothing."""

    name, version, host = "instant", "1", "elsewhere"
    answer_settings: Settings = MappingProxyType({})
    speed_settings: Settings = MappingProxyType({})

    def load(self, _model: ModelFile, _warm_up: Sequence[str]) -> Self:
        """Nothing is loaded."""
        return self

    def complete_many(self, questions: Sequence[Question]) -> Iterator[Outcome]:
        """Yield answers with thinking, or log-probabilities."""
        for question in questions:
            label = LABELS[len(question.prompt) % 4]
            if question.options.score:
                logprobs = (-0.1, -3.0, -4.0, -5.0)
                yield Completion(f"<final>{label}</final>", 200, 0, 1.0, None, None, logprobs=logprobs)
            else:
                yield Completion(TEXT.format(label), 200, 20, 1.0, 0.5, None)

    def close(self) -> None:
        """Nothing to unload."""


def main() -> int:
    """Print milliseconds of CPU per answer; return 1 above the goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=20_000, metavar="N", help="answers (20,000)")
    rows = parser.parse_args().answers // PER_ROW
    with tempfile.TemporaryDirectory() as name:
        found = {word: _ask(Path(name), rows) for word in ("anew", "again")}
    for word, (answers, cpu_s) in found.items():
        print(f"asked {word}: {answers:,} answers, {1000 * cpu_s / answers:.3f} ms of CPU an answer")
    met = all(1000 * cpu_s / answers <= GOAL_MS for answers, cpu_s in found.values())
    print(f"goal {GOAL_MS} ms: {'met' if met else 'NOT MET'}")
    return 0 if met else 1


def _ask(folder: Path, rows: int) -> tuple[int, float]:
    """Return the number of answers and the CPU seconds of asking them."""
    settings = AbTest.model_validate({"scoring": ["logprob", "generate"], "max_new_tokens": 48})
    texts = [make_row(f"Please send file {i} of the customer to the archive.", LABELS[i % 4]) for i in range(rows)]
    files = {side: ModelFile(f"model-{side}", folder / side, side * 64, 4096) for side in SIDES}
    for file in files.values():
        file.path.touch()
    candidates = {(side, "q4_k_m"): Candidate(side, "q4_k_m", file, make_chat()) for side, file in files.items()}
    began = time.process_time()
    with Shelves(LocalStore(folder / "store"), "samples", "bench") as cache:
        grid = Grid(candidates, texts, Instant(), settings, cache, "f", Count(rows * PER_ROW, lambda *_: None))
        samples, _ = grid.ask_pair("q4_k_m")
        again = grid.ask_control("q4_k_m")
    return len(samples) + len(again), time.process_time() - began


if __name__ == "__main__":
    sys.exit(main())
