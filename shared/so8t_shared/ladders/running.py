"""Measures the rungs of a ladder that are missing, one process each, and compares all of them."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from so8t_shared import errors
from so8t_shared.errors import So8tError
from so8t_shared.files import storage_errors
from so8t_shared.interruption import StopSignal
from so8t_shared.json_files import whole_objects
from so8t_shared.ladders.child import ChildOrder
from so8t_shared.ladders.plan import PlannedRung
from so8t_shared.processes import kill_group, signal_name
from so8t_shared.progress import Progress
from so8t_shared.redaction import without_secrets

_LOOK_S = 0.2
_STOPPING_S = 5.0
_TAIL_LETTERS = 2000


def measure_rungs(planned: Sequence[PlannedRung], progress: Progress, stop: StopSignal) -> None:
    """Measure what is missing; each rung is there for good once it is measured.

    Raises:
        So8tError: what a rung's process raised.
        Interrupted: `stop` was set.
    """
    total, done = sum(rung.rows for rung in planned), 0
    for rung in planned:
        if not rung.rows:
            continue

        def step(at: int, _: int, message: str, rung: PlannedRung = rung, before: int = done) -> None:
            progress(min(before + at, total), total, ", ".join(filter(None, (rung.step.title, message))))

        step(0, 0, "loading")
        _measure(rung, step, stop)
        done += rung.rows


def _measure(rung: PlannedRung, progress: Progress, stop: StopSignal) -> None:
    asked, folder = rung.order(), rung.settings.folder
    output = folder / f"{rung.step.rung}.log"
    reading, writing = os.pipe()
    with storage_errors(folder), output.open("wb") as log:
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "so8t_shared.ladders.child", rung.step.rung],  # the name is for `ps`
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(writing,),
                start_new_session=True,  # Ctrl-C reaches only the command, which ends it
            )
        finally:
            os.close(writing)
    order = ChildOrder(work=rung.work, rung=asked, pipe=writing, parent=os.getpid())
    try:
        assert process.stdin
        with suppress(BrokenPipeError), process.stdin as file:
            file.write(order.model_dump_json().encode())
        with os.fdopen(reading, "rb", buffering=0) as pipe:
            fault = _follow(pipe, progress, stop)
        code = process.wait()
    finally:
        _end(process)
    if code:
        raise _error(rung, fault, code, output)
    output.unlink(missing_ok=True)


def _follow(pipe: IO[bytes], progress: Progress, stop: StopSignal) -> dict[str, Any]:
    """Pass progress on until the process closes the pipe; return its error, if it told one."""
    fault: dict[str, Any] = {}
    rest = b""
    while True:
        stop.check()
        if not select.select([pipe], [], [], _LOOK_S)[0]:
            continue
        data = pipe.read(1 << 16)
        if not data:
            return fault
        *lines, rest = (rest + data).split(b"\n")
        for told in whole_objects(lines):
            if "what" in told:
                fault = told
            else:
                progress(told["done"], told["total"], told["message"])


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOPPING_S)
    kill_group(process.pid)  # and what it left behind
    process.wait()


def _error(rung: PlannedRung, fault: dict[str, Any], code: int, output: Path) -> So8tError:
    if fault:
        kinds = {kind.exit_code: kind for kind in vars(errors).values() if _is_kind(kind)}
        kind: type[So8tError] = kinds.get(fault["code"], So8tError)
        return kind(fault["what"], where=fault["where"], remedy=fault["remedy"])
    how = f"signal {signal_name(code)}" if code < 0 else f"exit code {code}"
    last = without_secrets(output.read_bytes().decode("utf-8", "replace"))[-_TAIL_LETTERS:].strip()
    return So8tError(
        f"Measuring {rung.step.title} ended with {how}: {last}",
        where=str(output),
        remedy="run the same command again; the measured rungs are kept",
    )


def _is_kind(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, So8tError) and value.exit_code != So8tError.exit_code
