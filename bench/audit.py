"""Claim: the audit log takes less than 0.25 ms of CPU per line, and keeps up with 2,000 requests per second.

Lines are written as the service writes them: by one thread, then by sixteen at once; without waiting for the disk, and
with `think.audit.sync`. The peer is a plain file to which the same bytes are appended, without a chain. Then the log is
proven.

    python bench/audit.py [--lines N] [--folder DIR]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from so8t_gateway.audit.keys import AuditKey
from so8t_gateway.audit.line import Entry
from so8t_gateway.audit.log import AuditLog
from so8t_gateway.audit.verify import verify
from so8t_gateway.audit.writer import AuditWriter

GOAL_CPU_MS = 0.25
GOAL_PER_S = 2_000
THREADS = 16
KEY = AuditKey(bytes(32))


@dataclass(frozen=True)
class Pace:
    """Lines per second, and CPU per line."""

    per_s: float
    cpu_ms: float

    def show(self, name: str) -> None:
        """Print it."""
        print(f"{name:42}{self.per_s:12,.0f} lines/s{self.cpu_ms:10.3f} ms CPU per line")


def main() -> int:
    """Measure and print; return 1 below the goals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        alone = _written(folder / "alone", arguments.lines, 1, sync=False)
        many = _written(folder / "many", arguments.lines, THREADS, sync=False)
        _written(folder / "synced", arguments.lines // 20, 1, sync=True)
        _written(folder / "synced-many", arguments.lines // 4, THREADS, sync=True)
        _plain(folder / "plain", folder / "alone", arguments.lines)
        _proven(folder / "many")
    good = alone.cpu_ms <= GOAL_CPU_MS and min(alone.per_s, many.per_s) >= GOAL_PER_S
    goals = f"goals {GOAL_CPU_MS} ms and {GOAL_PER_S:,} lines/s"
    print(f"{'OK' if good else 'TOO SLOW'}: {goals}; load {os.getloadavg()[0]:.1f}")
    return 0 if good else 1


def _written(folder: Path, lines: int, threads: int, *, sync: bool) -> Pace:
    writer = AuditWriter(AuditLog(folder), sync=sync, anchors=None)
    with ThreadPoolExecutor(threads) as pool:
        pace = _pace(lines, lambda: list(pool.map(lambda number: writer.append(_entry(number)), range(lines))))
    writer.close()
    pace.show(f"{threads} {'thread' if threads == 1 else 'threads'}{', waiting for the disk' if sync else ''}")
    return pace


def _plain(path: Path, log: Path, lines: int) -> None:
    data = b"".join(each.read_bytes() for each in sorted(log.glob("*.jsonl"))).splitlines(keepends=True)[:lines]
    with path.open("wb", buffering=0) as file:
        pace = _pace(lines, lambda: [file.write(line) for line in data])
    pace.show("plain file")
    print(f"{sum(map(len, data)) / len(data):.0f} bytes per line")


def _proven(folder: Path) -> None:
    found: list[int] = []

    def prove() -> None:
        proof = verify(folder, None)
        assert proof.faults == []
        found.append(proof.lines)

    started = (time.perf_counter(), time.process_time())
    prove()
    seconds, cpu_s = time.perf_counter() - started[0], time.process_time() - started[1]
    Pace(found[0] / seconds, cpu_s / found[0] * 1e3).show("proven")


def _entry(number: int) -> Entry:
    facts = {
        **{"class": "ALLOW", "confidence": 0.987654, "escalated": False, "key": KEY.id, "reason": ""},
        **{"model": "a" * 64, "policy": "b" * 64, "time": "2026-11-30T01:02:03.456Z"},
    }
    lengths = {"answer_length": 5, "query_length": 90, "thinking_length": 400}
    hashes = {"thinking": KEY.thinking("so"), "user": KEY.user(f"user {number % 1000}")}
    return Entry("request", facts, {**lengths, **hashes, "request": f"{number:032x}"})


def _pace(lines: int, work: Callable[[], object]) -> Pace:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Pace(lines / (time.perf_counter() - wall), (time.process_time() - cpu) / lines * 1e3)


if __name__ == "__main__":
    sys.exit(main())
