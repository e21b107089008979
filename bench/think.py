"""The /think service beside a bare Ollama with the same model and prompts: latency added, requests per second, memory.

    python bench/think.py [--clients 1 8 32] [--seconds 10] [--rounds 3] [--parallel 1] [--load-minutes 0]
                          [--run demo-run]

Bare and served requests alternate, block by block, so that drift of the machine cancels. Bare: the rendered prompt,
raw, greedy, not streamed, by the same client. Served: POST /think, which asks the same server and model. The model is
the tiny one of the tests, whose answers take milliseconds; `--run demo-run` takes the demo's B, of 135 M parameters.
Claims: p50 <= 5 ms and p99 <= 20 ms added, >= 0.95 of the requests per second, <= 120 MB without the engine, and no
growth under load.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two spinning threads on a busy machine train a hundred times slower

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / ".ci")]

import httpx  # noqa: E402
import psutil  # noqa: E402
from tests.servers.ollama_server import running_ollama  # noqa: E402
from tests.tiny_guard import DECISIONS, make_guard  # noqa: E402
from tests.unit.gateway.service_process import Think, ollama_section, running  # noqa: E402
from tests.unit.gateway.session import Prepared, convert_guard, hand_over  # noqa: E402

from so8t_engines.ollama.generation import BATCH_TOKENS, generation, sampling  # noqa: E402
from so8t_engines.protocol import Options  # noqa: E402
from so8t_gateway.prompts import Prompts  # noqa: E402
from so8t_gateway.session_model import read_session  # noqa: E402

Ask = Callable[[httpx.AsyncClient, str], Awaitable[None]]
QUERIES = list(DECISIONS)

_RUN_TOKENS = 24


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Measure the /think service beside a bare Ollama.")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=10.0, help="per block")
    parser.add_argument("--rounds", type=int, default=3, help="blocks of each kind per number of clients")
    parser.add_argument("--parallel", type=int, default=1, help="requests that Ollama computes at the same time")
    parser.add_argument(
        "--load-minutes", type=float, default=0.0, help="then load with 8 clients, and watch the memory"
    )
    parser.add_argument("--run", type=Path, help="folder of a finished run whose model B is asked, such as demo-run")
    parser.add_argument("--model", type=Path, help="folder of the tiny model, converted by an earlier run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        converted = arguments.model or _converted(root, arguments.run)
        with running_ollama(root / "ollama", OLLAMA_NUM_PARALLEL=str(arguments.parallel)) as server:
            limits = {"think": {"max_new_tokens": _RUN_TOKENS}} if arguments.run else {}
            tested = Prepared(root / "tested", {**ollama_section(server.address), **limits})
            tested.root.mkdir()
            hand_over(tested, converted)
            with running(tested, concurrency=arguments.parallel, queue=64, poll_s=10) as think:
                _measure(tested, think, server.address, arguments)


def _converted(root: Path, run: Path | None) -> Path:
    """The folder that convert-b leaves, or has left in a run."""
    if run is None:
        return convert_guard(make_guard(root / "model"), root / "converted")
    found = [file.parent for file in run.glob("store/artifacts/convert-b/*/attempts/*/output/conversion.json")]
    if not found:
        raise SystemExit(f"{run} has no converted model B; `make demo` makes one in demo-run")
    return max(found, key=lambda folder: folder.stat().st_mtime)


def _measure(tested: Prepared, think: Think, ollama: str, arguments: argparse.Namespace) -> None:
    bare, served = _bare(tested, ollama), _served(think.address)
    print(f"load average before: {os.getloadavg()[0]:.1f}")
    for clients in arguments.clients:
        times: dict[str, list[float]] = {"bare": [], "served": []}
        burned = 0.0
        rates: dict[str, list[float]] = {"bare": [], "served": []}
        for ask in (bare, served):
            asyncio.run(_block(ask, clients, 1.0))
        for number in range(arguments.rounds):
            for name in ("bare", "served") if number % 2 else ("served", "bare"):
                before = _processor_s(think)
                took = asyncio.run(_block(bare if name == "bare" else served, clients, arguments.seconds))
                burned += _processor_s(think) - before
                times[name] += took
                rates[name].append(len(took) / arguments.seconds)
        _print(clients, times, rates, burned / len(times["served"]))
    print(f"memory of the service: {_memory(think) / 1e6:.0f} MB")
    if arguments.load_minutes:
        asyncio.run(_load(served, think, arguments.load_minutes))


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


def _bare(tested: Prepared, address: str) -> Ask:
    model = read_session(tested.store, tested.config)
    prompts = {query: Prompts(model.chat).render(query) for query in QUERIES}
    options = Options(
        max_tokens=model.max_new_tokens, seed=tested.config.ab_test.seed, stop=tuple(model.chat.stop_tokens)
    )
    runner: dict[str, Any] = {"num_ctx": model.num_ctx, "num_batch": BATCH_TOKENS, "num_thread": 1}
    name = f"{model.file.name}-{model.file.sha256[:12]}"

    async def ask(client: httpx.AsyncClient, query: str) -> None:
        body = generation(name, prompts[query], {**runner, **sampling(options)}, keep_alive=-1)
        answer = (await client.post(f"{address}/api/generate", json=body)).json()
        assert answer["done_reason"] in {"stop", "length"}, answer

    return ask


def _served(address: str) -> Ask:
    async def ask(client: httpx.AsyncClient, query: str) -> None:
        answer = (await client.post(f"{address}/think", json={"query": query, "user_id": "bench"})).json()
        assert answer["reason"] in {"", "low_confidence"}, answer

    return ask


def _print(clients: int, times: dict[str, list[float]], rates: dict[str, list[float]], burned_s: float) -> None:
    quantiles = {name: statistics.quantiles(took, n=100) for name, took in times.items()}
    added = {p: 1e3 * (quantiles["served"][p - 1] - quantiles["bare"][p - 1]) for p in (50, 99)}
    rate = {name: statistics.median(found) for name, found in rates.items()}
    print(
        f"{clients:3} clients: added p50 {added[50]:6.1f} ms, p99 {added[99]:6.1f} ms"
        f" (bare p50 {1e3 * quantiles['bare'][49]:.1f} ms, p99 {1e3 * quantiles['bare'][98]:.1f} ms);"
        f" {rate['served']:.1f} of {rate['bare']:.1f} requests/s, ratio {rate['served'] / rate['bare']:.3f};"
        f" {1e3 * burned_s:.2f} ms of processor time per request; n = {len(times['bare'])} + {len(times['served'])}"
    )


def _processes(think: Think) -> list[psutil.Process]:
    """The service and the processes that it has started."""
    service = psutil.Process(think.process.pid)
    return [service, *service.children(recursive=True)]


def _memory(think: Think) -> int:
    """Resident bytes of the service."""
    return sum(process.memory_info().rss for process in _processes(think))


def _processor_s(think: Think) -> float:
    """Processor seconds that the service has used."""
    return sum(sum(process.cpu_times()[:2]) for process in _processes(think))


async def _load(served: Ask, think: Think, minutes: float) -> None:
    samples: list[float] = []
    asked = 0
    while len(samples) < 10:
        asked += len(await _block(served, 8, minutes * 6))
        samples.append(_memory(think) / 1e6)
    print(f"load of {minutes:g} minutes, {asked:,} requests: memory {', '.join(f'{each:.1f}' for each in samples)} MB")
    print(f"growth from the second tenth to the last: {samples[-1] - samples[1]:+.1f} MB")


if __name__ == "__main__":
    main()
