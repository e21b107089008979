"""Claim: scoring the labels decides more rows per CPU second than generating the answer.

Ours: the embedded engine with logprob scoring, alone and after generate on the same rows. Peer: a bare loop over
the same llama.cpp with its defaults and prefix cache that generates each answer up to the demo's limit. One thread
each; every run is a separate process, they alternate, and the least CPU time of each counts. Loading is left out.

The claim is for both models together. For one that writes nothing but its label the bare loop hardly computes more:
of the demo, B's row takes it 33.0 tokens in a batch and 8.5 alone, and ours 35.5 and 7.1 (A's: 31.0 and 41.5, 35.5 and
7.5). Both begin with the same prompt, so even all labels in the same batch, which the server has no request for, gave
1.16 times the rows.

    python bench/logprob.py [RUN] [--rows N] [--rounds N] [--quantization q4_k_m]

RUN is the folder of a finished run's store, by default the demo's: its models and held-out rows are used.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMON = """
import json, os, sys
from pathlib import Path
import psutil
from so8t_evaluator.importing import read_chat
from so8t_evaluator.rows import prompt_for, select, warm_up_prompts
from so8t_shared.processes import peak_memory_bytes
from so8t_shared.results.training import LabeledRow
gguf, splits, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
chat = read_chat(gguf.parent)
rows = select(LabeledRow.read_lines(splits), count)
prompts = [prompt_for(row.text, chat) for row in rows]
LIMIT = 48
def cpu(process):
    return sum(process.cpu_times()[:2])
def done(cpu_s, memory, right, looks):
    print(json.dumps({"rows": len(rows), "cpu_s": cpu_s, "memory": memory, "right": right, "looks": looks}), flush=True)
    os._exit(0)
"""
OURS = """
from so8t_engines.embedded.engine import EmbeddedEngine
from so8t_engines.protocol import ModelFile
from so8t_evaluator.scoring import options_for
from so8t_shared.models.reading import read_answer
from so8t_shared.config.model import AbTest
scorings = sys.argv[4].split("+")
options = [options_for(scoring, AbTest(max_new_tokens=LIMIT), chat) for scoring in scorings]
with EmbeddedEngine(num_ctx=2048, threads=1).load(
    ModelFile("bench", gguf, "", chat.context_length), warm_up_prompts(chat)
) as model:
    worker = psutil.Process(model.pid)
    before = cpu(worker) + cpu(psutil.Process())
    answers = [[model.complete(prompt, one) for one in options][-1] for prompt in prompts]
    spent = cpu(worker) + cpu(psutil.Process()) - before
right = sum(read_answer(a.text).predicted == row.label for a, row in zip(answers, rows))
done(spent, answers[-1].peak_memory_bytes, right, sum(a.second_look for a in answers))
"""
PEER = """
import xllamacpp
from so8t_shared.models.reading import read_answer
parameters = xllamacpp.CommonParams()
parameters.model.path, parameters.n_ctx, parameters.n_parallel, parameters.verbosity = str(gguf), 2048, 1, 1
parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(parameters)
def ask(prompt):
    body = {"prompt": prompt, "max_tokens": LIMIT, "temperature": 0.0, "stop": chat.stop_tokens, "stream": False}
    return server.handle_completions({**body, "cache_prompt": True})["choices"][0]["text"]
for prompt in warm_up_prompts(chat):
    ask(prompt)
before = cpu(psutil.Process())
texts = [ask(prompt) for prompt in prompts]
spent = cpu(psutil.Process()) - before
done(spent, peak_memory_bytes(), sum(read_answer(t).predicted == row.label for t, row in zip(texts, rows)), 0)
"""
PROGRAMS = {"bare loop": (PEER, ""), "logprob": (OURS, "logprob"), "generate+logprob": (OURS, "generate+logprob")}


def measure(name: str, gguf: Path, splits: Path, rows: int) -> dict[str, float]:
    """Run one program; return rows, CPU seconds, peak memory in bytes, right answers and second looks."""
    program, scorings = PROGRAMS[name]
    command = [sys.executable, "-c", COMMON + program, str(gguf), str(splits), str(rows), scorings]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Print the least CPU time of each, and how many rows per CPU second that is against the bare loop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?", default=ROOT / "demo-run" / "store")
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quantization", default="q4_k_m")
    arguments = parser.parse_args()
    splits = next(arguments.run.glob("artifacts/train/*/attempts/*/output/splits/test.jsonl"))
    spent = dict.fromkeys(PROGRAMS, 0.0)
    for side in "ab":
        gguf = next(arguments.run.glob(f"artifacts/convert-{side}/*/attempts/*/output/*_{arguments.quantization}.gguf"))
        best: dict[str, dict[str, float]] = {}
        for _ in range(arguments.rounds):
            for name in PROGRAMS:
                found = measure(name, gguf, splits, arguments.rows)
                best[name] = min(found, best.get(name, found), key=lambda one: one["cpu_s"])
        for name, one in best.items():
            spent[name] += one["cpu_s"]
            print(
                f"{side} {name}: {1e3 * one['cpu_s'] / one['rows']:.0f} ms CPU per row, {one['memory'] / 1e6:.0f} MB,"
                f" {one['right']:.0f} of {one['rows']:.0f} right, {one['looks']:.0f} second looks,"
                f" {best['bare loop']['cpu_s'] / one['cpu_s']:.2f} times the bare loop's rows per CPU second"
            )
    for name, cpu_s in spent.items():
        print(f"both models, {name}: {spent['bare loop'] / cpu_s:.2f} times the bare loop's rows per CPU second")


if __name__ == "__main__":
    main()
