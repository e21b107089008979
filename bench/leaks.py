"""Looks for a leak: generated answers with a secret marker in their thinking, through the whole service.

    python bench/leaks.py [--cases 100000] [--seed 1] [--through-service 2000]

Every answer goes through the rule of what may leave; the last ones also through the application, whose bodies, headers,
streams, log and metrics are searched. Exits with 1 at the first leak. The answers are those of tests/unit/gateway.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / ".ci")]

from tests.unit.gateway.answers import LEAST_BYTES, MARKER, answer_of  # noqa: E402
from tests.unit.gateway.in_process import ask_everywhere  # noqa: E402

from so8t_gateway.letting_out import let_out  # noqa: E402
from so8t_gateway.quiet import log_quietly  # noqa: E402


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Look for a leak of thinking in generated answers.")
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--through-service", type=int, default=2_000)
    arguments = parser.parse_args()
    random, began = Random(arguments.seed), time.process_time()
    ends: Counter[str] = Counter()
    for number in range(arguments.cases):
        answer = answer_of(random.randbytes(2 * LEAST_BYTES))
        found = let_out(answer)
        ends[found.reason or found.label or "text"] += 1
        if MARKER in found.text + found.label:
            print(f"LEAK in case {number}: {answer!r}")
            return 1
    print(f"{arguments.cases:,} answers, no leak, {time.process_time() - began:.1f} s of processor time")
    print(", ".join(f"{name} {count:,}" for name, count in ends.most_common()))
    return asyncio.run(_through_service(arguments.through_service, random))


async def _through_service(cases: int, random: Random) -> int:
    log = io.StringIO()
    log_quietly(log)
    for number in range(cases):
        answer = answer_of(random.randbytes(2 * LEAST_BYTES))
        if MARKER in await ask_everywhere(answer):
            print(f"LEAK through the service in case {number}: {answer!r}")
            return 1
    if MARKER in log.getvalue():
        print("LEAK into the log")
        return 1
    print(f"{cases:,} answers through every interface, no leak in body, header, stream, metric or log")
    return 0


if __name__ == "__main__":
    sys.exit(main())
