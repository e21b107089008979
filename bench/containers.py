"""Claims: a stage's container is working or waiting within 2 s; a finished `--profile full up` takes at most 30 s.

A tiny model runs through the shipped compose file once, with real MinIO and Ollama containers. Then the whole profile
is brought up again several times with everything reused, and a stage with a missing upstream is started several times
and timed from the container's start to its line "waiting". The peer for that is a container of the same image that
only starts Python and exits.

    python bench/containers.py [--rounds N]

Needs a Docker engine and the images (make servers images sets up both).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / ".ci")]

from tests.compose.engine import docker  # noqa: E402 - measures the tests' stack
from tests.compose.stack import Stack, make_stack, removed_afterwards  # noqa: E402
from tests.tiny_data import write_rows  # noqa: E402
from tests.tiny_models import make_llama  # noqa: E402

_GOAL_WAITING_S = 2.0
_GOAL_REUSED_S = 30.0


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Idle overhead of a stage container, and a reused run.")
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        print("CANNOT BE MEASURED HERE: no Docker engine answers")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stack = make_stack(
            folder / "stack", make_llama(folder / "model"), write_rows(folder / "data/rows.jsonl"), "bench"
        )
        with removed_afterwards(stack):
            _measure(stack, rounds)


def _measure(stack: Stack, rounds: int) -> None:
    began = time.monotonic()
    stack.up()
    print(f"first run, everything computed: {time.monotonic() - began:.1f} s")
    reused = []
    for _ in range(rounds):
        began = time.monotonic()
        stack.up()
        reused.append(time.monotonic() - began)
    _print("a finished full profile, up again", reused, _GOAL_REUSED_S)
    stack.edit(training={"max_steps": 5})
    waiting = [_until_waiting(stack) for _ in range(rounds)]
    bare = [_bare_python(stack) for _ in range(rounds)]
    _print("bare Python in the same image, container included", bare)
    _print("container's start to 'waiting for upstream'", waiting)
    difference = min(waiting) - min(bare)
    print(f"after Python's start: {difference:.2f} s (goal {_GOAL_WAITING_S:.0f} s)")


def _until_waiting(stack: Stack) -> float:
    """Return the seconds from the start of a reporter without upstream to its line "waiting"."""
    stack.compose("rm", "--stop", "--force", "reporter")
    stack.compose("--profile", "report", "up", "--detach", "reporter")
    stack.until(lambda: "waiting" in stack.logs("reporter"), "the line")
    lines = docker("logs", "--timestamps", stack.container("reporter"))
    line = next(line for line in (lines.stdout + lines.stderr).splitlines() if "waiting" in line)
    started = stack.inspect("reporter")["State"]["StartedAt"]
    docker("kill", stack.container("reporter"))
    return _moment(line.split()[0]) - _moment(started)


def _bare_python(stack: Stack) -> float:
    name = f"{stack.project}-bare"
    docker("run", "--name", name, "--entrypoint", "python", "so8t-ab/reporter:0.1.0", "-c", "pass")
    [found] = json.loads(docker("inspect", name).stdout)
    docker("rm", name)
    return _moment(found["State"]["FinishedAt"]) - _moment(found["State"]["StartedAt"])


def _moment(text: str) -> float:
    return datetime.fromisoformat(f"{text[:26]}+00:00").timestamp()


def _print(what: str, seconds: list[float], goal_s: float | None = None) -> None:
    goal = f" (goal {goal_s:.0f} s)" if goal_s else ""
    print(f"{what}: {min(seconds):.2f} s at best, median {statistics.median(seconds):.2f} s{goal}")


if __name__ == "__main__":
    main()
