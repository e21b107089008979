"""Claim: training is faster than transformers.Trainer with rows grouped by length, whatever the rows look like.

Ours, with gates and smoothness penalty, against Trainer with the same LoRA (PEFT) and neither of the two: 105 of 143
tokens shared, nothing shared (30 to 400 tokens), one row of 2,000 beside seven of 40, one row a step. The third is also
compared with our own training row by row. Each run is a process of its own, the sides alternate, and the least CPU time
of each counts, after a step to warm up. The model is a random Llama of 5 M parameters in float32.

    python bench/train.py [--rounds N] [--threads N] [WORKLOAD ...]
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ANSWER = 10
"""Completion tokens of a row."""
VOCABULARY = 4096
SIZES: dict[str, Any] = {
    **{"hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 4, "num_attention_heads": 4},
    **{"num_key_value_heads": 4, "vocab_size": VOCABULARY, "pad_token_id": 0, "max_position_embeddings": 4096},
}


@dataclass(frozen=True)
class Workload:
    """Rows and how many of them make a step."""

    what: str
    lengths: Callable[[random.Random], list[int]]
    """Tokens of the rows of one step."""
    steps: int
    goals: dict[str, float]
    """By peer: how many times as fast ours is to be."""
    shared: int = 0
    """Tokens that all prompts begin with."""
    distinct: bool = True
    """Whether each step has rows of its own, which Trainer may group by length; else all have the same."""


WORKLOADS = {
    "shared": Workload("105 of 143 tokens shared", lambda _: [143] * 8, 16, {"trainer": 2.7}, shared=105),
    "apart": Workload(
        "nothing shared, 30 to 400 tokens",
        lambda chance: [chance.randint(30, 400) for _ in range(8)],
        32,
        {"trainer": 1.3},
    ),
    "mixed": Workload(
        "one row of 2,000 beside seven of 40",
        lambda _: [2000, *[40] * 7],
        3,
        {"trainer alone": 1.0, "ours alone": 1.0},
        distinct=False,
    ),
    "single": Workload(
        "one row a step, 30 to 400 tokens", lambda chance: [chance.randint(30, 400)], 64, {"trainer": 1.0}
    ),
}
ALONE = " alone"
"""End of the name of a side that trains row by row."""


def main() -> int:
    """Print CPU times, ratios and peak memory; return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(WORKLOADS)} (all)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="runs of each side (3)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of torch (1)")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        print(json.dumps(_run(given.run, given.workloads[0], given.threads)))
        return 0
    met = [_compare(name, given.rounds, given.threads) for name in given.workloads or WORKLOADS]
    return 0 if all(met) else 1


def _compare(name: str, rounds: int, threads: int) -> bool:
    """Measure one workload and print it."""
    workload = WORKLOADS[name]
    sides = ["ours", *workload.goals]
    found: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            found[side].append(_measured(name, side, threads))
    best = {side: {key: min(one[key] for one in runs) for key in runs[0]} for side, runs in found.items()}
    print(f"{name}: {workload.what}", flush=True)
    for side, one in best.items():
        cpu_ms, wall_ms = 1000 * one["cpu_s"], 1000 * one["wall_s"]
        print(f"  {side:14} {cpu_ms:8.1f} ms of CPU a step, {wall_ms:8.1f} ms, {one['peak_mb']:6.0f} MB")
    met = True
    for side, goal in workload.goals.items():
        ratio = best[side]["cpu_s"] / best["ours"]["cpu_s"]
        met &= ratio >= goal
        print(
            f"  {ratio:.2f} times as fast as {side} (goal {goal:g}): {'met' if ratio >= goal else 'NOT MET'}",
            flush=True,
        )
    return met


def _measured(name: str, side: str, threads: int) -> dict[str, float]:
    """Run one side in a process of its own."""
    command = [sys.executable, __file__, name, "--run", side, "--threads", str(threads)]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _run(side: str, name: str, threads: int) -> dict[str, float]:
    """Train in this process; return CPU and wall seconds per step, and the peak memory."""
    import torch

    torch.set_num_threads(threads)
    workload = WORKLOADS[name]
    rows, per_step = rows_of(workload), len(workload.lengths(random.Random()))
    train = train_ours if side.startswith("ours") else train_with_trainer
    size = 1 if side.endswith(ALONE) else per_step
    train(rows[:size], size, 1, 1)
    began, began_cpu = time.perf_counter(), time.process_time()
    train(rows, size, per_step // size, workload.steps)
    cpu_s, wall_s = time.process_time() - began_cpu, time.perf_counter() - began
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {"cpu_s": cpu_s / workload.steps, "wall_s": wall_s / workload.steps, "peak_mb": peak_mb}


Row = tuple[tuple[int, ...], tuple[int, ...]]
"""Prompt and completion."""


def rows_of(workload: Workload) -> list[Row]:
    """Return all rows of a training."""
    chance = random.Random(1)
    head = tuple(chance.randrange(1, VOCABULARY) for _ in range(workload.shared))
    rows: list[Row] = []
    for _ in range(workload.steps if workload.distinct else 1):
        for length in workload.lengths(chance):
            rest = [chance.randrange(1, VOCABULARY) for _ in range(length - workload.shared)]
            rows.append(((*head, *rest[:-ANSWER]), tuple(rest[-ANSWER:])))
    return rows


def model() -> Any:
    """Return the random model."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SIZES))


def train_ours(given: list[Row], size: int, passes: int, steps: int) -> None:
    """Train with `run_training`: `passes` passes of `size` rows a step."""
    import torch

    from so8t_shared.config.training import Training
    from so8t_trainer import trial
    from so8t_trainer.encode import EncodedRow
    from so8t_trainer.loop import run_training
    from so8t_trainer.model import prepare

    rows = [EncodedRow(str(i), *row) for i, row in enumerate(given)]
    sizes = {"batch_size": size, "gradient_accumulation_steps": passes, "max_steps": steps}
    settings = Training.model_validate({"dtype": "float32", "checkpoint_every_steps": 1000, "max_length": 4096} | sizes)
    trainee = prepare(model(), settings, torch.device("cpu"), torch.float32)
    with tempfile.TemporaryDirectory() as folder:
        run_training(trainee, rows, settings, trial._Surroundings(logging.getLogger("bench"), Path(folder)))


def train_with_trainer(given: list[Row], size: int, passes: int, steps: int) -> None:
    """Train with transformers.Trainer, rows padded to the longest of a batch and grouped by length."""
    from peft import LoraConfig, get_peft_model
    from transformers import Trainer, TrainingArguments

    rows = [{"input_ids": [*prompt, *answer], "labels": [*[-100] * len(prompt), *answer]} for prompt, answer in given]
    config = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", bias="none", task_type="CAUSAL_LM")
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            **{"per_device_train_batch_size": size, "gradient_accumulation_steps": passes, "max_steps": steps},
            **{"train_sampling_strategy": "group_by_length", "learning_rate": 2e-4, "use_cpu": True},
            **{"save_strategy": "no", "report_to": [], "logging_strategy": "no", "disable_tqdm": True},
        )
        Trainer(get_peft_model(model(), config), arguments, data_collator=_padded, train_dataset=rows).train()


def _padded(rows: list[dict[str, list[int]]]) -> dict[str, Any]:
    """Return a batch padded at its end."""
    import torch

    longest = max(len(row["input_ids"]) for row in rows)
    fillers = {"input_ids": 0, "labels": -100}
    batch = {
        key: torch.tensor([[*row[key], *[filler] * (longest - len(row[key]))] for row in rows])
        for key, filler in fillers.items()
    }
    seen = [[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in rows]
    return batch | {"attention_mask": torch.tensor(seen)}


if __name__ == "__main__":
    sys.exit(main())
