"""Claim: training is faster than TRL's SFTTrainer and transformers.Trainer, whatever the rows look like.

Ours, with gates and smoothness penalty, against the same LoRA (PEFT) without the two: SFTTrainer as it is by default
(checkpointing, padding) and tuned (neither), both on completions alone, and Trainer with rows grouped by length. The
workloads are the demo; 105 of 143 tokens shared; nothing shared, 30 to 400 tokens; one row of 2,000 beside seven of 40;
and one row a step. The fourth is also compared with training row by row. The demo has its own model, the others a
random Llama of 5 M parameters; bfloat16 is measured where the processor has it. Each run is a process of its own, the
sides alternate, and the least CPU time of each counts, after a step to warm up, whose loss must be everybody's. What
gates and penalty cost is measured by bench/gates.py.

    python bench/train.py [--rounds N] [--threads N] [--dtype TYPE] [WORKLOAD ...]

TRL is installed in the cache outside the clone; it uses the project's torch, transformers and PEFT.
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
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from peers import cache_folder, install  # noqa: E402
from peers.training import Job, Row, Spent, trainer, trl  # noqa: E402

from so8t_shared.processor import has_bf16_instructions  # noqa: E402

ANSWER = 10
"""Completion tokens of a row."""
VOCABULARY = 4096
SIZES: dict[str, Any] = {
    **{"hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 4, "num_attention_heads": 4},
    **{"num_key_value_heads": 4, "vocab_size": VOCABULARY, "pad_token_id": 0, "max_position_embeddings": 4096},
}
TOLERANCE = {"float32": 1e-3, "bfloat16": 2e-2}
"""Largest difference of the losses at step 1, as a share."""
ALONE = " alone"
"""End of the name of a side that trains row by row."""


@dataclass(frozen=True)
class Workload:
    """Rows and how many of them make a step."""

    what: str
    lengths: Callable[[random.Random], list[int]]
    """Tokens of the rows of one step."""
    steps: int
    goals: dict[str, float | None]
    """By side: how many times as fast ours is to be; None is only shown."""
    shared: int = 0
    """Tokens that all prompts begin with."""
    distinct: bool = True
    """Whether each step has rows of its own, which Trainer may group by length; else all have the same."""


PEERS = {"trl": None, "trl tuned": None, "trainer": None}
DEMO = Workload("the demo's rows and model", lambda _: [0] * 12, 2, {"trl": 5, "trl tuned": 4, "trainer": 2.7})
WORKLOADS = {
    "demo": DEMO,
    "shared": Workload("105 of 143 tokens shared", lambda _: [143] * 8, 8, PEERS | {"trainer": 2.7}, shared=105),
    "apart": Workload(
        "nothing shared, 30 to 400 tokens",
        lambda chance: [chance.randint(30, 400) for _ in range(8)],
        12,
        PEERS | {"trainer": 1.3},
    ),
    "mixed": Workload(
        "one row of 2,000 beside seven of 40",
        lambda _: [2000, *[40] * 7],
        3,
        PEERS | {"trainer" + ALONE: 1.0, "ours" + ALONE: 1.0},
        distinct=False,
    ),
    "single": Workload(
        "one row a step, 30 to 400 tokens", lambda chance: [chance.randint(30, 400)], 32, PEERS | {"trainer": 1.0}
    ),
}


def main() -> int:
    """Print CPU times, ratios and peak memory; return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(WORKLOADS)} (all)")
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="runs of each side (2)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of torch (1)")
    parser.add_argument("--dtype", choices=TOLERANCE, help="the compute type (those that the processor has)")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        print(json.dumps(_run(given.run, given.workloads[0], given.dtype, given.threads)))
        return 0
    install("trl", cache_folder() / "peers")
    dtypes = [given.dtype] if given.dtype else list(TOLERANCE)[: 2 if has_bf16_instructions() else 1]
    names = given.workloads or WORKLOADS
    met = [_compare(name, dtype, given.rounds, given.threads) for dtype in dtypes for name in names]
    return 0 if all(met) else 1


def _compare(name: str, dtype: str, rounds: int, threads: int) -> bool:
    """Measure one workload and print it."""
    workload = WORKLOADS[name]
    found: dict[str, list[dict[str, float]]] = {side: [] for side in ("ours", *workload.goals)}
    for _ in range(rounds):
        for side, runs in found.items():
            runs.append(_measured(name, side, dtype, threads))
    best = {side: {key: min(one[key] for one in runs) for key in runs[0]} for side, runs in found.items()}
    print(f"{name}, {dtype}: {workload.what}")
    met = True
    for side, one in best.items():
        ratio, goal = one["cpu_s"] / best["ours"]["cpu_s"], workload.goals.get(side)
        told = "" if side == "ours" else f"  ours is {ratio:.2f} times as fast"
        if goal:
            told += f" (goal {goal:g}): {'met' if ratio >= goal else 'NOT MET'}"
            met &= ratio >= goal
        if abs(one["first_loss"] / best["ours"]["first_loss"] - 1) > TOLERANCE[dtype]:
            told += f"  ANOTHER LOSS: {one['first_loss']:.5f}, not {best['ours']['first_loss']:.5f}"
            met = False
        cpu_ms, wall_ms = 1000 * one["cpu_s"], 1000 * one["wall_s"]
        print(
            f"  {side:30} {cpu_ms:9.1f} ms of CPU a step, {wall_ms:9.1f} ms, {one['peak_mb']:6.0f} MB{told}", flush=True
        )
    return met


def _measured(name: str, side: str, dtype: str, threads: int) -> dict[str, float]:
    """Run one side in a process of its own."""
    command = [sys.executable, __file__, name, "--run", side, "--dtype", dtype, "--threads", str(threads)]
    path = os.pathsep.join(map(str, (ROOT, cache_folder() / "peers" / "trl")))
    variables = {"HF_HUB_OFFLINE": "1", "PYTHONPATH": path, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _run(side: str, name: str, dtype: str, threads: int) -> dict[str, float]:
    """Train in this process; return CPU and wall seconds per step, the loss at step 1, and the peak memory."""
    import torch

    torch.set_num_threads(threads)
    workload = WORKLOADS[name]
    per_step = len(workload.lengths(random.Random()))
    size = 1 if side.endswith(ALONE) else per_step
    rows, load, rank = demo(dtype) if workload is DEMO else (rows_of(workload), partial(random_model, dtype), 8)
    job = Job(rows[: per_step * workload.steps], size, per_step // size, workload.steps, dtype, rank, load)
    train = SIDES[side.removesuffix(ALONE)]
    first = train(replace(job, rows=rows[:per_step], steps=1))
    spent = train(job)
    figures = {key: value / workload.steps for key, value in asdict(spent).items()}
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return figures | {"first_loss": first.first_loss, "peak_mb": peak_mb}


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


def random_model(dtype: str) -> Any:
    """Return the random model."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SIZES)).to(getattr(torch, dtype))


def demo(dtype: str) -> tuple[list[Row], Callable[[], Any], int]:
    """Return the demo's rows, its model, and the rank of its adapter; its inputs are made if they are not there."""
    from transformers import AutoModelForCausalLM

    from so8t_shared.config.load import load_config
    from so8t_shared.progress import no_progress
    from so8t_trainer.loading import load_rows

    os.chdir(ROOT)
    if not (ROOT / "demo-run" / "model" / "config.json").is_file():
        subprocess.run([sys.executable, "-m", "so8t_shared.cli", "demo", "--inputs-only"], check=True)
    config = load_config("demo-run/demo.yaml")
    base = Path(config.base_of_b.base_model)
    rows = load_rows(config, base, logging.getLogger("bench"), no_progress).rows
    load = partial(AutoModelForCausalLM.from_pretrained, base, dtype=dtype)
    return [(row.prompt, row.completion) for row in rows], load, config.training.lora.r


def ours(job: Job, *, plain: bool = False, on_step: Callable[[], None] = lambda: None) -> Spent:
    """Train with `run_training`; `on_step` is called after each step."""
    import torch

    from so8t_shared.config.training import Training
    from so8t_trainer import trial
    from so8t_trainer.encode import EncodedRow
    from so8t_trainer.loop import run_training
    from so8t_trainer.model import prepare

    rows = [EncodedRow(str(i), *row) for i, row in enumerate(job.rows)]
    values: dict[str, Any] = {"batch_size": job.size, "gradient_accumulation_steps": job.passes, "max_steps": job.steps}
    values |= {"lora": {"r": job.rank, "alpha": 2 * job.rank}, "checkpoint_every_steps": 1000, "max_length": 4096}
    if plain:
        values |= {"so8t": {"enabled": False}, "pet": {"lambdas": (0, 0, 0)}}
    settings = Training.model_validate(values)
    trainee = prepare(job.load(), settings, torch.device("cpu"), getattr(torch, job.dtype))
    with tempfile.TemporaryDirectory() as folder:
        surroundings = trial._Surroundings(logging.getLogger("bench"), Path(folder))
        clocks = [(time.process_time(), time.perf_counter())]

        def step_ended(_: Any) -> None:  # before the last checkpoint, which the peers do not write
            clocks.append((time.process_time(), time.perf_counter()))
            on_step()

        points = run_training(trainee, rows, settings, surroundings, observe=step_ended)
        (cpu, wall), (cpu_after, wall_after) = clocks[0], clocks[-1]
        return Spent(cpu_after - cpu, wall_after - wall, points[0].loss)


SIDES: dict[str, Callable[[Job], Spent]] = {
    "ours": ours,
    "trainer": trainer,
    "trl": partial(trl, tuned=False),
    "trl tuned": partial(trl, tuned=True),
}


if __name__ == "__main__":
    sys.exit(main())
