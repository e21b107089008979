"""Work of all stages that only writes a few bytes.

What a stage does besides is said by the environment: SMALL_<STAGE>=fail, defect, leak, kill, slow, saving,
sigterm, orphan.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from so8t_shared.cli.main import main
from so8t_shared.errors import InputError
from so8t_shared.running.context import StageContext
from so8t_shared.stages import BY_NAME

WORK = "tests.unit.shared.small_service:produce"
ROOT = Path(__file__).resolve().parents[3]
NAMES = tuple(BY_NAME)


def produce(ctx: StageContext) -> None:
    """Files that stand for a stage's real ones."""
    ctx.log.info("making %s", ctx.stage.name)
    _misbehave(os.environ.get(f"SMALL_{ctx.stage.name.upper().replace('-', '_')}", ""), ctx)
    for name in ("chat.json", "model_x", "merged/x", "splits/x", "modelfiles/x.Modelfile", "report.md"):
        (ctx.output_dir / name).parent.mkdir(exist_ok=True)
        (ctx.output_dir / name).write_text(f"{ctx.stage.name} {ctx.config.training.seed}")
    ctx.progress(1, 1, "written")


def _misbehave(how: str, ctx: StageContext) -> None:
    actions: dict[str, Callable[[], object]] = {
        "fail": lambda: _raise(InputError("The model is cut.", where="model.safetensors", remedy="fetch it again")),
        "defect": lambda: _raise(ZeroDivisionError("a defect")),
        "leak": lambda: _raise(ValueError(f"refused: {os.environ['HF_TOKEN']}")),
        "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "slow": lambda: _slow(ctx),
        "saving": lambda: _saving(ctx),
        "sigterm": lambda: os.kill(os.getpid(), signal.SIGTERM) or _slow(ctx),
        "orphan": _orphan,
        "exit": lambda: os._exit(7),
    }
    if how:
        actions[how]()


def _raise(error: Exception) -> None:
    raise error


def _slow(ctx: StageContext) -> None:
    """Take for ever, in safe steps."""
    ctx.progress(1, 2, "slow")
    while True:
        ctx.check_interrupted()
        time.sleep(0.02)


def _saving(ctx: StageContext) -> None:
    """Work until asked to stop, and take a moment for the checkpoint."""
    ctx.progress(1, 2, "slow")
    while not ctx.stop_requested:
        time.sleep(0.02)
    time.sleep(0.5)
    (ctx.scratch_dir / "state").mkdir()
    (ctx.scratch_dir / "state" / "x").write_text("saved")
    ctx.checkpoints.save("step-1", ctx.scratch_dir / "state")
    ctx.check_interrupted()


def _orphan() -> None:
    """Leave a forked worker behind that holds all that it inherited, and die."""
    if os.fork() == 0:
        time.sleep(1000)
    subprocess.run(["true"], check=True)
    os.kill(os.getpid(), signal.SIGKILL)


def small_stage(*arguments: str, function: str = WORK, **environ: str) -> Callable[[], None]:
    """`so8t-ab stage ARGUMENTS` with that function as the work of each stage, for a process of its own."""

    def work() -> None:
        os.environ.update(environ)
        BY_NAME.update({name: replace(stage, work=function) for name, stage in BY_NAME.items()})
        os._exit(main(["stage", *arguments]))

    return work
