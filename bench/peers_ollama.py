"""Aim: a whole A/B test through Ollama gives 1.3 times the rows per CPU second of promptfoo, lm-eval and inspect_ai.

Ours is what a user runs once the models are on the server: `so8t-ab run --from evaluate --to conclude`, from starting
Python to the verdict. Compared are the scoring generate, which writes what the peers have written, and logprob, the
decision alone; both ask each row once, as the peers do. The default, which does both, asks A again as a control and
measures speed apart, is shown beside them. Peers are whole commands, too, with their caches off, at one request at a
time and at their own default; lm-eval takes one command for each model. All ask the same rows of both models on the
same server: same prompt, temperature 0, same limit of tokens, one thread. Every command finds its models unloaded.
Commands alternate; the least processor time of each counts, that of the command and of all processes of the server.
Two numbers of rows tell what starting and loading cost from what a row costs: with 16 rows most is start-up. The floor
is a bare loop that asks one token a row: nothing that asks each row of this server can take less.
docs/ollama.md says what was measured.

    python bench/peers_ollama.py [RUN] [--peers-dir FOLDER] [--rows FEW MANY] [--rounds N] [--only ours+promptfoo]

RUN is the folder of a finished run with its store, data and configuration, by default demo-run. Peers that are not yet
in FOLDER, by default in the cache outside the clone, are installed there, which needs npm, 2.3 GB and some minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / ".ci"), str(ROOT / "bench")]

from peers import (  # noqa: E402
    PINNED,
    SIDES,
    Command,
    Setting,
    cache_folder,
    floor,
    inspect_ai,
    install,
    lm_eval,
    promptfoo,
)
from tests.servers.ollama_server import OllamaServer, running_ollama  # noqa: E402

from so8t_evaluator.rows import select  # noqa: E402
from so8t_shared.results.training import LabeledRow  # noqa: E402

QUANTIZATION, CONTEXT = "q4_k_m", 512
SCORINGS = {"logprob": ["logprob"], "generate": ["generate"], "default": ["logprob", "generate"]}


@dataclass(frozen=True)
class Spent:
    """What one command took."""

    wall_s: float
    client_s: float
    server_s: float
    memory_mb: float
    right: int

    @property
    def cpu_s(self) -> float:
        """Processor time of the command and the server."""
        return self.client_s + self.server_s


def cpu_of(server: OllamaServer) -> float:
    """Processor seconds of the server and of all runners that it has started; none may be alive."""
    return sum(psutil.Process(server.pid).cpu_times()[:4])


def unload(server: OllamaServer) -> None:
    """Have the server end its runners, and wait until they are gone."""
    while loaded := server.get("/api/ps")["models"]:
        for model in loaded:
            server.post("/api/generate", {"model": model["name"], "keep_alive": 0})
        time.sleep(0.2)
    while psutil.Process(server.pid).children():
        time.sleep(0.1)


def measure(server: OllamaServer, command: Command) -> Spent:
    """Run the commands of one measurement, which must succeed."""
    commands, variables, count = command()
    unload(server)
    before, started, client_s, memory = cpu_of(server), time.perf_counter(), 0.0, 0
    for one in commands:
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(one, env={**os.environ, **variables}, stdout=log, stderr=log)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            log.seek(0)
            said = log.read().decode(errors="replace")
        if process.returncode not in (0, 100):  # 100: promptfoo found wrong answers
            raise SystemExit(f"{' '.join(one)} ended with {process.returncode}:\n{said[-3000:]}")
        client_s += used.ru_utime + used.ru_stime
        memory = max(memory, used.ru_maxrss)
    wall_s = time.perf_counter() - started
    unload(server)
    return Spent(wall_s, client_s, cpu_of(server) - before, memory / 1e3, count())


class Ours:
    """A copy of the finished run in which only evaluate and conclude are left to do."""

    def __init__(self, setting: Setting, run: Path, scorings: Collection[str]) -> None:
        self.setting = setting
        self.work = setting.folder / "ours"
        self.ready = setting.folder / "ready"
        shutil.copytree(run, self.work / run.name, copy_function=_link)
        for imported in self.work.glob("*/store/artifacts/import"):
            shutil.rmtree(imported)  # perhaps into another server
        self.config = next((self.work / run.name).glob("*.yaml"))
        for scoring in scorings:
            subprocess.run(self._command(scoring, "--to", "import"), check=True, cwd=self.work, stdout=sys.stderr)
        shutil.copytree(self.work, self.ready, copy_function=_link)

    def command(self, scoring: str) -> Command:
        """Return the measurement of one scoring."""

        def prepare() -> tuple[list[list[str]], dict[str, str], Callable[[], int]]:
            shutil.rmtree(self.work, ignore_errors=True)
            shutil.copytree(self.ready, self.work, copy_function=_link)
            inside = ["env", "-C", str(self.work), *self._command(scoring, "--from", "evaluate", "--to", "conclude")]
            return [inside], {}, self._right

        return prepare

    def _command(self, scoring: str, *stages: str) -> list[str]:
        changes = {
            "ab_test.engine": "ollama",
            "ab_test.scoring": json.dumps(SCORINGS[scoring]),
            "ab_test.control": json.dumps(scoring == "default"),
            "ab_test.speed_samples": 20 if scoring == "default" else 1,
            "ab_test.max_samples": self.setting.rows,
            "ab_test.max_new_tokens": self.setting.limit,
            "ab_test.num_ctx": CONTEXT,
            "ab_test.threads": 1,
            "gguf.quantizations": f"[{QUANTIZATION}]",
            "gguf.primary": QUANTIZATION,
            "ollama.host": self.setting.server.address,
        }
        sets = [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]
        return [str(Path(sys.executable).parent / "so8t-ab"), "run", "-c", str(self.config), *sets, *stages]

    def output(self, stage: str, name: str) -> Path:
        """Return a file that a stage made in the latest measurement."""
        return max(self.work.glob(f"*/store/artifacts/{stage}/*/attempts/*/output/{name}"), key=_modified)

    def samples(self) -> list[dict[str, Any]]:
        """Return the answers of the latest measurement."""
        return [json.loads(line) for line in self.output("evaluate", "samples.jsonl").read_text().splitlines()]

    def _right(self) -> int:
        found = self.samples()
        first = min(one["scoring"] for one in found)
        return sum(one["predicted"] == one["gold"] for one in found if one["scoring"] == first)


def _link(source: str, target: str) -> None:
    """Link a large file, and copy a small one, which may be changed in place."""
    if Path(source).stat().st_size > 1e6:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def _modified(path: Path) -> float:
    return path.stat().st_mtime


def _read(path: Path) -> Any:
    return json.loads(path.read_text())


def prepare_peers(setting: Setting, ours: Ours) -> None:
    """Write the rows that ours chooses, and give its models names whose requests need no option but the limit."""
    registry = json.loads(ours.output("import", "registry.json").read_text())
    rows = select(LabeledRow.read_lines(ours.output("train", "splits/test.jsonl")), setting.rows)
    lines = [{"text": row.text, "target": f"<final>{row.label}</final>"} for row in rows]
    setting.tests.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for model in registry["models"]:
        peer = {"model": f"peer-{model['model']}", "from": model["name"], "parameters": {"num_thread": 1}}
        setting.server.post("/api/create", peer)


def show(best: dict[str, Spent], rows: int) -> None:
    """Print what each command took, and each of ours against the best peer."""
    for name, one in best.items():
        print(
            f"{rows} rows, {name}: {one.cpu_s:.1f} s CPU ({one.client_s:.1f} command, {one.server_s:.1f} server),"
            f" {len(SIDES) * rows / one.cpu_s:.2f} answers per CPU second, {one.wall_s:.1f} s, {one.memory_mb:.0f} MB,"
            f" {one.right} of {len(SIDES) * rows} right"
        )
    peers = {name: one for name, one in best.items() if not name.startswith(("ours", "floor"))}
    if not peers:
        return
    least, first = (min(peers, key=key) for key in (lambda name: peers[name].cpu_s, lambda name: peers[name].wall_s))
    for name in [one for one in best if one not in peers]:
        cpu, wall = peers[least].cpu_s / best[name].cpu_s, peers[first].wall_s / best[name].wall_s
        print(f"{name}: {cpu:.2f} x the rows per CPU second of {least}, {wall:.2f} x the rows per second of {first}")


def show_parts(best: dict[int, dict[str, Spent]]) -> None:
    """Print what starting and loading cost, and what an answer costs, from the least and the most rows."""
    few, many = min(best), max(best)
    for name in best[few] if few < many else ():
        answer_s = (best[many][name].cpu_s - best[few][name].cpu_s) / (len(SIDES) * (many - few))
        start_s = best[few][name].cpu_s - len(SIDES) * few * answer_s
        print(f"{name}: {start_s:.1f} s CPU to start and load, {1e3 * answer_s:.0f} ms for an answer")


def main() -> None:
    """Measure every command, alternating, and print the least of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?", default=ROOT / "demo-run")
    parser.add_argument("--peers-dir", type=Path, default=cache_folder() / "peers")
    parser.add_argument("--rows", type=int, nargs="+", default=[16, 100])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=12, help="tokens per answer; the demo's by default")
    parser.add_argument("--only", default="ours+floor+promptfoo+lm-eval+inspect_ai")
    arguments = parser.parse_args()
    chosen = arguments.only.split("+")
    arguments.peers_dir.mkdir(parents=True, exist_ok=True)
    for peer in [peer for peer in PINNED if any(name.startswith(peer) for name in chosen)]:
        install(peer, arguments.peers_dir.absolute())
    with tempfile.TemporaryDirectory(dir=arguments.peers_dir) as folder, running_ollama(Path(folder)) as server:
        commands = {}
        for rows in arguments.rows:
            (place := Path(folder).absolute() / str(rows)).mkdir()
            setting = Setting(place, arguments.peers_dir.absolute(), server, rows, arguments.limit)
            commands[rows] = commands_for(setting, arguments.run.absolute(), chosen)
        best: dict[int, dict[str, Spent]] = {rows: {} for rows in arguments.rows}
        for number in range(arguments.rounds):
            for rows, name in [(size, name) for size in arguments.rows for name in commands[size]]:
                spent = measure(server, commands[rows][name])
                print(
                    f"  round {number + 1}, {rows} rows: {name}: {spent.cpu_s:.1f} s, {spent.wall_s:.1f} s", flush=True
                )
                best[rows][name] = min(spent, best[rows].get(name, spent), key=lambda one: one.cpu_s)
        for rows, found in best.items():
            show(found, rows)
        show_parts(best)


def commands_for(setting: Setting, run: Path, chosen: Collection[str]) -> dict[str, Command]:
    """Return the measurements whose names, or first words of them, are chosen."""
    ours = Ours(setting, run, [one for one in SCORINGS if {"ours", f"ours {one}"} & set(chosen)] or ["logprob"])
    prepare_peers(setting, ours)
    commands = {
        **{f"ours {scoring}": ours.command(scoring) for scoring in SCORINGS},
        "floor": floor(setting),
        **{f"promptfoo -j {at_once}": promptfoo(setting, at_once) for at_once in (1, 4)},
        **{f"lm-eval, {at_once} at once": lm_eval(setting, at_once) for at_once in (1, 4)},
        **{f"inspect_ai, {at_once or 'default'} at once": inspect_ai(setting, at_once) for at_once in (1, None)},
    }
    return {name: one for name, one in commands.items() if {name, name.replace(",", "").split()[0]} & set(chosen)}


if __name__ == "__main__":
    main()
