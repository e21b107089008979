"""Claims: Ray costs at most 5 % on one host; two evaluators answer at least 1.7 times as fast as one on two cores.

The demo's model, its training cut to 24 steps, runs on processes of this host and as tasks of a Ray cluster that is
there already, in turns. Then evaluators with one thread each share the same rows, one and two in turns. Other work on
the machine hits both sides; the processor's time beside the clock's tells how much.

    python bench/ray_overhead.py [--rounds N] [--only run|evaluators]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

MOST = 1.05
LEAST = 1.7
ROWS = 64
OVERRIDES = (
    *("training.max_steps=24", "gguf.quantizations=[q8_0]", "gguf.primary=q8_0"),
    *("ab_test.max_samples=32", "ab_test.speed_samples=4", "ab_test.threads=1"),
)


class Spent:
    """Processor seconds of all descendants of this process, looked at often, since the dead tell nothing."""

    def __init__(self) -> None:
        self._of: dict[tuple[int, float], float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Spent:
        self._look()
        self._before = sum(self._of.values())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    @property
    def seconds(self) -> float:
        return sum(self._of.values()) - self._before

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            self._look()

    def _look(self) -> None:
        for process in psutil.Process().children(recursive=True):
            try:
                times = process.cpu_times()
                self._of[process.pid, process.create_time()] = times.user + times.system
            except psutil.Error:
                continue


def main() -> int:
    """Print both ratios; return 1 if a claim is not met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="runs of each side (2)")
    parser.add_argument("--only", choices=["run", "evaluators"], help="one of the two claims")
    chosen = parser.parse_args()
    if find_spec("ray") is None:
        print("CANNOT BE MEASURED HERE: ray is not installed (pip install 'so8t-ab[ray]')")
        return 0
    os.chdir(ROOT)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    os.environ.update({"RAY_USAGE_STATS_ENABLED": "0", "OMP_WAIT_POLICY": "passive"})
    print(f"load {os.getloadavg()[0]:.1f} on {psutil.cpu_count()} cores")
    met = True
    if chosen.only != "evaluators":
        met &= _runs(chosen.rounds)
    if chosen.only != "run":
        met &= _evaluators(chosen.rounds)
    print("goals met" if met else "NOT MET")
    return 0 if met else 1


def _cluster() -> Any:
    from ray.cluster_utils import Cluster

    cores = psutil.cpu_count() or 2
    return Cluster(initialize_head=True, head_node_args={"num_cpus": cores, "object_store_memory": 100_000_000})


def _runs(rounds: int) -> bool:
    found: dict[str, list[tuple[float, float]]] = {"local": [], "ray": []}
    for number in range(rounds):
        for kind in ("local", "ray") if number % 2 else ("ray", "local"):
            cluster = _cluster() if kind == "ray" else None
            try:
                found[kind].append(_run(kind, cluster.address if cluster else ""))
            finally:
                if cluster:
                    cluster.shutdown()
            print(f"{kind}: {found[kind][-1][0]:.1f} s, {found[kind][-1][1]:.1f} s of CPU", flush=True)
    wall, cpu = (median(r[i] for r in found["ray"]) / median(l[i] for l in found["local"]) for i in (0, 1))  # noqa: E741
    print(f"a run on Ray: {wall:.3f} times the time, {cpu:.3f} times the CPU of one on this host (goal {MOST})")
    return wall <= MOST


def _run(kind: str, address: str) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        places = (f"checkpoint_dir={folder}/store", f"output_base_dir={folder}/results", f"execution.kind={kind}")
        at = (f"execution.ray.address={address}",) if address else ()
        settings = [part for each in (*OVERRIDES, *places, *at) for part in ("--set", each)]
        command = [sys.executable, "-m", "so8t_shared.cli", "run", "-c", "demo-run/demo.yaml", "--jobs", "1", *settings]
        began = time.monotonic()
        with Spent() as spent:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        return time.monotonic() - began, spent.seconds


def _evaluators(rounds: int) -> bool:
    import ray
    from tests.unit.engines.conftest import WARM_UP, chatml, model_file
    from tests.unit.evaluator.small_evaluation import make_config

    from so8t_demo.model_package import gguf_file
    from so8t_engines.choice import open_own_engine
    from so8t_engines.protocol import Options, Question
    from so8t_evaluator.asking import CHUNK_ROWS
    from so8t_evaluator.scoring import CHOICES
    from so8t_ray.sharing import SharedEngine
    from so8t_shared.config.model import Config

    kinds = (Options(max_tokens=12, seed=7), Options(max_tokens=12, seed=7, choices=CHOICES, score=True))
    questions = [Question(chatml(f"{n} times may I open door {n * 7}?"), kind) for n in range(ROWS) for kind in kinds]
    chunk = CHUNK_ROWS * len(kinds)
    cluster, model = _cluster(), model_file(gguf_file())
    with tempfile.TemporaryDirectory() as folder:

        def ask(count: int) -> tuple[float, float, list[str]]:
            raw = make_config().model_dump(mode="json", exclude_unset=True)
            settings = {"kind": "ray", "ray": {"address": cluster.address, "evaluators": count}}
            config = Config.model_validate({**raw, "checkpoint_dir": folder, "execution": settings})
            engine = SharedEngine(config, "bench", open_own_engine(config), lambda message: None)
            with engine.load(model, WARM_UP) as loaded:
                began = time.monotonic()
                with Spent() as spent:
                    answers = [
                        a
                        for i in range(0, len(questions), chunk)
                        for a in loaded.complete_many(questions[i : i + chunk])
                    ]
                took_s = time.monotonic() - began
            ray.shutdown()
            return took_s, spent.seconds, [str(getattr(a, "text", a)) for a in answers]

        try:
            ratio = _ratio(ask, rounds)
        finally:
            cluster.shutdown()
    print(f"two evaluators: {ratio:.2f} times as fast as one (goal {LEAST})")
    return ratio >= LEAST


def _ratio(ask: Callable[[int], tuple[float, float, list[str]]], rounds: int) -> float:
    found: dict[int, list[float]] = {1: [], 2: []}
    texts = []
    for number in range(rounds):
        for count in (1, 2) if number % 2 else (2, 1):
            took_s, cpu_s, answers = ask(count)
            found[count].append(took_s)
            texts.append(answers)
            print(f"{count} evaluators: {took_s:.1f} s, {cpu_s:.1f} s of CPU, {len(answers)} answers", flush=True)
    if any(answers != texts[0] for answers in texts):
        sys.exit("the answers differ")
    return median(found[1]) / median(found[2])


if __name__ == "__main__":
    sys.exit(main())
