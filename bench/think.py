"""The /think service beside a bare Ollama with the same model and prompts: latency added, requests per second, memory.

    python bench/think.py [--clients 1 8 32] [--seconds 10] [--rounds 6] [--parallel 1] [--run demo-run] [--apart]
                          [--minutes 60 --rate 20]

Three kinds of requests take turns, block by block, so that drift of the machine cancels. Bare: the rendered prompt,
raw, greedy, not streamed, by the same client. Scored: the same, with the log-probability of each token, which Ollama
computes from its whole vocabulary; a class has a confidence only by them. Served: POST /think, which asks the same
server and model. So served less scored is what the service adds, and scored less bare what its figures cost in Ollama.
The model is the tiny one of the tests, whose answers take milliseconds; `--run demo-run` takes the demo's B, of 135 M
parameters. With `--apart`, the engine has the first core, and service and clients share the others, as where the engine
has a GPU; else all share all cores, and the service's processor time is lost to the engine. Claims: p50 <= 5 ms and
p99 <= 20 ms added, >= 0.95 of the requests per second, <= 120 MB without the engine, each with its 95% interval.
`--minutes` then loads the service, and claims that neither memory nor open files grow in the last half; Python's caches
and the heaps of its threads fill up in the first.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two spinning threads on a busy machine train a hundred times slower

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / ".ci")]

import httpx  # noqa: E402
import numpy as np  # noqa: E402
import psutil  # noqa: E402
from tests.servers.ollama_server import running_ollama  # noqa: E402
from tests.tiny_guard import DECISIONS, make_guard  # noqa: E402
from tests.unit.gateway.service_process import Think, ollama_section, running  # noqa: E402
from tests.unit.gateway.session import QUANTIZATION, Prepared, convert_guard, hand_over  # noqa: E402

from so8t_engines.ollama.generation import BATCH_TOKENS, generation, sampling  # noqa: E402
from so8t_engines.protocol import Options  # noqa: E402
from so8t_gateway.prompts import Prompts  # noqa: E402
from so8t_gateway.session_model import read_session  # noqa: E402
from so8t_shared.places import gguf_name  # noqa: E402

Ask = Callable[[httpx.AsyncClient, str], Awaitable[None]]
Blocks = Sequence[int]
QUERIES = list(DECISIONS)
_DRAWS = 2000

_TINY_TOKENS, _RUN_TOKENS = 48, 24
"""Most tokens of an answer. For the tiny model's 26 tokens a run allows 48; its session gives characters instead."""


@dataclass
class Measured:
    """What one kind of requests took."""

    blocks: list[np.ndarray] = field(default_factory=list)
    """Seconds that each answer took, by block."""
    seconds: float = 1.0
    """Of a block."""
    burned_s: float = 0.0
    """Processor seconds of the service meanwhile."""

    @property
    def asked(self) -> int:
        """Requests."""
        return sum(map(len, self.blocks))

    def ms(self, percent: int, drawn: Blocks | None = None) -> float:
        """A percentile of the latencies, in milliseconds; of the blocks that are drawn, by default of all."""
        return 1e3 * float(np.percentile(np.concatenate([self.blocks[n] for n in self._all(drawn)]), percent))

    def mean_ms(self, drawn: Blocks | None = None) -> float:
        """Mean latency in milliseconds; unlike a percentile, it does not depend on who is served first."""
        return 1e3 * float(np.concatenate([self.blocks[n] for n in self._all(drawn)]).mean())

    def rate(self, drawn: Blocks | None = None) -> float:
        """Requests per second, the median of the blocks."""
        return statistics.median(len(self.blocks[n]) for n in self._all(drawn)) / self.seconds

    def _all(self, drawn: Blocks | None) -> Blocks:
        return range(len(self.blocks)) if drawn is None else drawn


Figure = Callable[[Measured, Measured, Blocks], float]
_LEAST_ROUNDS = 3


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Measure the /think service beside a bare Ollama.")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=10.0, help="per block")
    parser.add_argument("--rounds", type=int, default=6, help="blocks of each kind per number of clients")
    parser.add_argument("--parallel", type=int, default=1, help="requests that Ollama computes at the same time")
    parser.add_argument("--concurrency", type=int, default=4, help="think.concurrency; 4 is its default")
    parser.add_argument("--minutes", type=float, default=0.0, help="then load it, and watch memory and open files")
    parser.add_argument("--rate", type=float, default=20.0, help="requests per second of that load, by 8 clients")
    parser.add_argument("--run", type=Path, help="folder of a finished run whose model B is asked, such as demo-run")
    parser.add_argument("--apart", action="store_true", help="the engine on the first core, all else on the others")
    parser.add_argument("--model", type=Path, help="folder of the tiny model, converted by an earlier run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        converted = arguments.model or _converted(root, arguments.run)
        first, *others = sorted(os.sched_getaffinity(0))
        if arguments.apart and others:
            os.sched_setaffinity(0, {first})  # a new process has its parent's cores
        with running_ollama(root / "ollama", OLLAMA_NUM_PARALLEL=str(arguments.parallel)) as server:
            os.sched_setaffinity(0, {*others} if arguments.apart and others else {first, *others})
            limits = {"think": {"max_new_tokens": _RUN_TOKENS if arguments.run else _TINY_TOKENS}}
            tested = Prepared(root / "tested", {**ollama_section(server.address), **limits})
            tested.root.mkdir()
            hand_over(tested, converted)
            with running(tested, concurrency=arguments.concurrency, queue=64, poll_s=10) as think:
                _measure(tested, think, server.address, arguments)


def _converted(root: Path, run: Path | None) -> Path:
    """The folder that convert-b leaves, or has left in a run."""
    if run is None:
        return convert_guard(make_guard(root / "model"), root / "converted")
    files = run.glob(f"store/artifacts/convert-b/*/attempts/*/output/{gguf_name('b', QUANTIZATION)}")
    found = [file.parent for file in files if (file.parent / "conversion.json").is_file()]
    if not found:
        raise SystemExit(f"{run} has no model B at {QUANTIZATION}; `make demo` makes one in demo-run")
    return max(found, key=lambda folder: folder.stat().st_mtime)


def _measure(tested: Prepared, think: Think, ollama: str, arguments: argparse.Namespace) -> None:
    kinds = {
        "bare": _bare(tested, ollama),
        "scored": _bare(tested, ollama, logprobs=True),
        "served": _served(think.address),
    }
    print(f"load average before: {os.getloadavg()[0]:.1f}")
    for clients in arguments.clients:
        measured = {name: Measured(seconds=arguments.seconds) for name in kinds}
        for ask in kinds.values():
            asyncio.run(_block(ask, clients, 1.0))
        for number in range(arguments.rounds):
            for name in (*kinds,) if number % 2 else (*reversed(kinds),):
                before = _processor_s(think)
                took = asyncio.run(_block(kinds[name], clients, arguments.seconds))
                measured[name].burned_s += _processor_s(think) - before
                measured[name].blocks.append(np.asarray(took))
        _print(clients, measured)
    print(f"memory of the service: {_memory(think) / 1e6:.0f} MB")
    if arguments.minutes:
        asyncio.run(_load(kinds["served"], think, arguments.minutes, arguments.rate))


async def _block(ask: Ask, clients: int, seconds: float) -> list[float]:
    """Seconds that each answer took, with so many clients that ask one after the other."""
    took: list[float] = []
    until = time.perf_counter() + seconds
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(limits=limits, timeout=120, trust_env=False) as client:

        async def run(number: int) -> None:
            while (began := time.perf_counter()) < until:
                await ask(client, QUERIES[(number + len(took)) % len(QUERIES)])
                took.append(time.perf_counter() - began)

        await asyncio.gather(*map(run, range(clients)))
    return took


def _bare(tested: Prepared, address: str, **more: Any) -> Ask:
    model = read_session(tested.store, tested.config)
    prompts = {query: Prompts(model.chat).render(query) for query in QUERIES}
    options = Options(
        max_tokens=model.max_new_tokens, seed=tested.config.ab_test.seed, stop=tuple(model.chat.stop_tokens)
    )
    runner: dict[str, Any] = {"num_ctx": model.num_ctx, "num_batch": BATCH_TOKENS, "num_thread": 1}
    name = f"{model.file.name}-{model.file.sha256[:12]}"

    async def ask(client: httpx.AsyncClient, query: str) -> None:
        body = generation(name, prompts[query], {**runner, **sampling(options)}, keep_alive=-1, **more)
        answer = (await client.post(f"{address}/api/generate", json=body)).json()
        assert answer["done_reason"] in {"stop", "length"}, answer

    return ask


def _served(address: str) -> Ask:
    async def ask(client: httpx.AsyncClient, query: str) -> None:
        answer = (await client.post(f"{address}/think", json={"query": query, "user_id": "bench"})).json()
        assert answer["reason"] in {"", "low_confidence"}, answer

    return ask


def _print(clients: int, measured: dict[str, Measured]) -> None:
    bare, served = measured["bare"], measured["served"]
    print(
        f"{clients:3} clients: bare p50 {bare.ms(50):.1f} ms, p99 {bare.ms(99):.1f} ms, {bare.rate():.1f} requests/s;"
        f" {1e3 * served.burned_s / served.asked:.2f} ms of processor time per request; n ="
        f" {' + '.join(str(each.asked) for each in measured.values())}"
    )
    for name, than in (("served", "bare"), ("scored", "bare"), ("served", "scored")):
        p50, p99, mean, share = (
            _with_interval(measured[name], measured[than], figure)
            for figure in (_added(50), _added(99), _added_in_the_mean, _share)
        )
        print(f"    {name} less {than}: p50 {p50} ms, p99 {p99} ms, mean {mean} ms; requests per second {share} of it")


def _added(percent: int) -> Figure:
    """Milliseconds more in one kind than in the other."""
    return lambda one, other, drawn: one.ms(percent, drawn) - other.ms(percent, drawn)


def _added_in_the_mean(one: Measured, other: Measured, drawn: Blocks) -> float:
    """Milliseconds more in the mean."""
    return one.mean_ms(drawn) - other.mean_ms(drawn)


def _share(one: Measured, other: Measured, drawn: Blocks) -> float:
    """Requests per second of one kind, as a share of the other's."""
    return one.rate(drawn) / other.rate(drawn)


def _with_interval(one: Measured, other: Measured, figure: Figure) -> str:
    """A figure and its 95% interval by a bootstrap over rounds: both kinds' blocks of a round met the same machine."""
    rounds = range(len(one.blocks))
    form = ".3f" if figure is _share else "+.1f"
    told = format(figure(one, other, rounds), form)
    if len(rounds) < _LEAST_ROUNDS:
        return f"{told} (no interval from {len(rounds)} rounds)"
    chance = np.random.default_rng(0)
    drawn = [figure(one, other, chance.integers(0, len(rounds), len(rounds)).tolist()) for _ in range(_DRAWS)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return f"{told} (95% CI {low:{form}} to {high:{form}})"


def _processes(think: Think) -> list[psutil.Process]:
    """The service and the processes that it has started."""
    service = psutil.Process(think.process.pid)
    return [service, *service.children(recursive=True)]


def _memory(think: Think) -> int:
    """Resident bytes of the service."""
    return sum(process.memory_info().rss for process in _processes(think))


def _open_files(think: Think) -> int:
    """Handles that the service holds: files, pipes, connections."""
    return sum(process.num_fds() for process in _processes(think))


def _processor_s(think: Think) -> float:
    """Processor seconds that the service has used."""
    return sum(sum(process.cpu_times()[:2]) for process in _processes(think))


async def _load(served: Ask, think: Think, minutes: float, rate: float) -> None:
    """Ask at a rate; show by how much memory and open files grow per hour, once warm and in the last half."""
    until, begun, asked = time.perf_counter() + minutes * 60, time.perf_counter(), 0
    samples: list[tuple[float, float, int]] = []

    async def run(number: int) -> None:
        nonlocal asked
        async with httpx.AsyncClient(timeout=120, trust_env=False) as client:
            while (due := begun + asked / rate) < until:
                asked += 1
                await asyncio.sleep(due - time.perf_counter())
                await served(client, QUERIES[(number + asked) % len(QUERIES)])

    async def watch() -> None:
        while time.perf_counter() < until:
            samples.append(((time.perf_counter() - begun) / 3600, _memory(think) / 1e6, _open_files(think)))
            await asyncio.sleep(1.0)

    await asyncio.gather(watch(), *map(run, range(8)))
    print(f"load of {minutes:g} minutes: {asked:,} requests, {asked / (minutes * 60):.1f} per second")
    for what, place, unit in (("memory", 1, "MB"), ("open files", 2, "files")):
        for when, first in (("once warm", len(samples) // 10), ("in the last half", len(samples) // 2)):
            figures = [sample[place] for sample in samples[first:]]
            slope, low, high = _slope([sample[0] for sample in samples[first:]], figures)
            print(
                f"    {what} {when}: {figures[0]:.1f} to {figures[-1]:.1f} {unit}, at most {max(figures):.1f};"
                f" {slope:+.2f} {unit} per hour (95% CI {low:+.2f} to {high:+.2f})"
            )


def _slope(hours: list[float], figures: list[float], blocks: int = 20) -> tuple[float, float, float]:
    """Slope of the least-squares line and its 95% interval, by a bootstrap over blocks of residuals.

    Neighboring samples resemble each other, so single ones would make the interval too narrow.
    """
    fit = np.polyfit(hours, figures, 1)
    line = np.polyval(fit, hours)
    parts = np.array_split(np.asarray(figures) - line, blocks)
    chance = np.random.default_rng(0)
    slopes = []
    for _ in range(_DRAWS):
        drawn = np.concatenate([parts[number] for number in chance.integers(0, blocks, 2 * blocks)])[: len(line)]
        slopes.append(np.polyfit(hours, line + drawn, 1)[0])
    low, high = np.percentile(slopes, [2.5, 97.5])
    return float(fit[0]), float(low), float(high)


if __name__ == "__main__":
    main()
