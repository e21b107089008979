"""Claim: asking through our engines costs no more than a bare loop over the same library or server.

Ours: every row asked as the evaluate stage asks it, with keys, reading and stored answers, through the embedded engine
and through Ollama. Peers: a loop over the same llama.cpp with its defaults, and one over the same Ollama server with
the `ollama` package, one request per answer. One thread each; every run is a separate process, they alternate, and
the least CPU time of each counts: that of the client and of all processes of the engine. Loading is left out: of the
model, and of the patterns by which kept answers are redacted (once a stage, 0.1 s).

    python bench/asking.py [RUN] [--rows N] [--rounds N] [--quantization q4_k_m] [--scorings generate+logprob]

RUN is the folder of a finished run's store, by default the demo's: its models and held-out rows are used.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / ".ci")]

from tests.servers.ollama_server import running_ollama  # noqa: E402

COMMON = """
import hashlib, json, os, sys, tempfile
from pathlib import Path
import psutil
from so8t_evaluator.importing import read_chat
from so8t_evaluator.rows import prompt_for, select, warm_up_prompts
from so8t_shared.models.reading import read_answer
from so8t_shared.results.training import LabeledRow
gguf, splits, count, scorings = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4].split("+")
address, server, LIMIT, CONTEXT = sys.argv[5], int(sys.argv[6]), int(sys.argv[7]), 512
chat = read_chat(gguf.parent)
rows = select(LabeledRow.read_lines(splits), count)
prompts = [prompt_for(row.text, chat) for row in rows]
def engines():
    roots = [psutil.Process(), *([psutil.Process(server)] if server else [])]
    return {one for root in roots for one in (root, *root.children(recursive=True))}
def cpu():
    return sum(sum(one.cpu_times()[:2]) for one in engines())
def memory():
    return sum(one.memory_info().rss for one in engines())
def done(spent, texts):
    predicted = [read_answer(text).predicted for text in texts]
    right = sum(one == row.label for one, row in zip(predicted, rows))
    print(json.dumps({"rows": len(rows), "cpu_s": spent, "memory": memory(), "right": right}), flush=True)
    os._exit(0)
"""
OURS = """
from so8t_evaluator.asking import Candidate, Respondent, ask_all
from so8t_engines.embedded.engine import EmbeddedEngine
from so8t_engines.protocol import ModelFile
from so8t_evaluator.importing import recipe
from so8t_evaluator.kept_text import kept_text
from so8t_engines.ollama.engine import OllamaEngine
from so8t_engines.ollama.server import OllamaServer
from so8t_shared.artifacts.segment_cache import SegmentCache
from so8t_shared.config.model import AbTest
from so8t_shared.store.local import LocalStore
name = f"bench-{gguf.stem.replace('_', '-')}:latest"
digest = hashlib.sha256(gguf.read_bytes()).hexdigest()
file = ModelFile(name, gguf, digest, chat.context_length, recipe(gguf, chat, CONTEXT), chat.bos_token, chat.eos_token)
if server:
    engine = OllamaEngine(OllamaServer(address, retry_s=5), num_ctx=CONTEXT, threads=1)
else:
    engine = EmbeddedEngine(num_ctx=CONTEXT, threads=1)
cache = SegmentCache(LocalStore(Path(tempfile.mkdtemp(dir=os.environ["BENCH"]))), "answers", "bench")
settings = AbTest(max_new_tokens=LIMIT)
one = Respondent(Candidate("a", "q8_0", file, chat), engine, settings, cache, "bench")
one.load()
kept_text("1")
before, samples = cpu(), []
def told(sample):
    samples.append(sample)
    if len(samples) == len(rows) * len(scorings):
        spent, told_of = cpu() - before, {s.row_id: s.predicted for s in samples if s.scoring == scorings[0]}
        done(spent, [f"<final>{told_of[row.id]}</final>" for row in rows])
ask_all([one], rows, scorings, told)
"""
PEER_LLAMA = """
import xllamacpp
parameters = xllamacpp.CommonParams()
parameters.model.path, parameters.n_ctx, parameters.n_parallel, parameters.verbosity = str(gguf), CONTEXT, 1, 1
parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
loaded = xllamacpp.Server(parameters)
def ask(prompt, scoring):
    body = {"prompt": prompt, "max_tokens": LIMIT, "temperature": 0.0, "stop": chat.stop_tokens, "stream": False}
    if scoring == "logprob":
        body |= {"prompt": prompt + "<final>", "max_tokens": 1, "logprobs": 20, "n_probs": 20}
    return loaded.handle_completions({**body, "cache_prompt": True})["choices"][0]["text"]
"""
PEER_OLLAMA = """
import ollama
client, name = ollama.Client(address), f"bench-{gguf.stem.replace('_', '-')}:latest"
fixed = {"temperature": 0, "num_ctx": CONTEXT, "num_thread": 1, "stop": chat.stop_tokens, "repeat_penalty": 1.0}
def ask(prompt, scoring):
    if scoring == "logprob":
        options = {**fixed, "num_predict": 1}
        return client.generate(name, prompt + "<final>", raw=True, options=options, logprobs=True, top_logprobs=20)
    return client.generate(name, prompt, raw=True, options={**fixed, "num_predict": LIMIT}).response
"""
LOOP = """
for prompt in warm_up_prompts(chat):
    ask(prompt, "generate")
before = cpu()
texts = [[ask(prompt, scoring) for scoring in scorings][0] for prompt in prompts]
done(cpu() - before, texts)
"""
PROGRAMS = {"embedded": (OURS, PEER_LLAMA + LOOP), "ollama": (OURS, PEER_OLLAMA + LOOP)}


def measure(program: str, arguments: list[str]) -> dict[str, float]:
    """Run one program; return rows, CPU seconds, resident memory in bytes and right answers."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "passive", "BENCH": folder}
        command = [sys.executable, "-c", COMMON + program, *arguments]
        done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def compare(name: str, gguf: Path, common: list[str], rounds: int) -> tuple[float, float]:
    """Print both programs of an engine on one model; return the CPU seconds of ours and of the peer."""
    best: list[dict[str, float]] = []
    for number in range(rounds):
        found = [measure(program, [str(gguf), *common]) for program in PROGRAMS[name]]
        best = [min(pair, key=lambda one: one["cpu_s"]) for pair in zip(found, best or found, strict=True)]
        print(f"  round {number + 1}: " + ", ".join(f"{one['cpu_s']:.1f} s" for one in found), file=sys.stderr)
    for title, one in zip(("ours", "bare loop"), best, strict=True):
        print(
            f"{gguf.stem} {name} {title}: {one['cpu_s']:.1f} s CPU for {one['rows']:.0f} rows,"
            f" {one['memory'] / 1e6:.0f} MB, {one['right']:.0f} right"
        )
    return best[0]["cpu_s"], best[1]["cpu_s"]


def main() -> None:
    """Print the least CPU time of each, and ours as a multiple of the bare loop's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?", default=ROOT / "demo-run" / "store")
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quantization", default="q4_k_m")
    parser.add_argument("--scorings", default="generate")
    parser.add_argument("--engines", default="embedded+ollama")
    parser.add_argument("--limit", type=int, default=12, help="tokens per answer; the demo's by default")
    arguments = parser.parse_args()
    splits = next(arguments.run.glob("artifacts/train/*/attempts/*/output/splits/test.jsonl"))
    pattern = f"artifacts/convert-?/*/attempts/*/output/*_{arguments.quantization}.gguf"
    with tempfile.TemporaryDirectory() as folder, running_ollama(Path(folder)) as server:
        for name in arguments.engines.split("+"):
            where = [server.address, str(server.pid)] if name == "ollama" else ["", "0"]
            common = [str(splits), str(arguments.rows), arguments.scorings, *where, str(arguments.limit)]
            spent = [compare(name, gguf, common, arguments.rounds) for gguf in sorted(arguments.run.glob(pattern))]
            ours, peer = map(sum, zip(*spent, strict=True))
            print(f"{name}, {arguments.scorings}: {ours:.1f} s CPU, {ours / peer:.2f} times the bare loop's {peer:.1f}")


if __name__ == "__main__":
    main()
