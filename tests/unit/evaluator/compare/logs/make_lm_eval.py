"""Runs lm-eval over the rows: python make_lm_eval.py"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lm_eval import simple_evaluate
from lm_eval.api.model import LM
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager
from rows import LABELS, ROWS, answer

Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
COMMON = {
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"test": "rows.jsonl"}},
    "test_split": "test",
    "doc_to_text": "{{text}}",
    "doc_to_target": "{{label}}",
    "metadata": {"version": 1},
}
TASKS = [
    {
        **COMMON,
        "task": "lm_eval_written",
        "output_type": "generate_until",
        "metric_list": [{"metric": "exact_match"}],
        "generation_kwargs": {"until": ["\n\n"]},
    },
    {
        **COMMON,
        "task": "lm_eval_choice",
        "output_type": "multiple_choice",
        "doc_to_choice": LABELS,
        "metric_list": [{"metric": "acc"}],
    },
]


class Scripted(LM):
    """Answers from `rows`."""

    def __init__(self, side: str) -> None:
        super().__init__()
        self.side = side

    def generate_until(self, requests: Any, **_: Any) -> list[str]:
        """What the model writes."""
        return [answer(request.args[0], self.side) for request in requests]

    def loglikelihood(self, requests: Any, **_: Any) -> list[tuple[float, bool]]:
        """B prefers the right choice, A prefers ALLOW for even requests."""
        return [self._likely(*request.args) for request in requests]

    def _likely(self, prompt: str, choice: str) -> tuple[float, bool]:
        number, place = int(prompt.rsplit(" ", 1)[1]), LABELS.index(choice.strip())
        wanted = number % 4 if self.side == "b" or number % 2 else 0
        return (-0.25, True) if place == wanted else (-2.5 - place / 8, False)

    def loglikelihood_rolling(self, requests: Any, **_: Any) -> None:
        """Not needed."""
        raise NotImplementedError


for side in "ab":
    tracker = EvaluationTracker(output_path=side)
    found = simple_evaluate(
        model=Scripted(side),
        tasks=TASKS,
        log_samples=True,
        bootstrap_iters=0,
        task_manager=TaskManager(include_defaults=False),
    )
    samples = found.pop("samples")
    tracker.save_results_aggregated(results=found, samples=samples)
    for task in samples:
        tracker.save_results_samples(task_name=task, samples=samples[task])
