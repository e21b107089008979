"""What stages do in the tests of Ray; their notes say in which process each attempt worked."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.unit.shared.material import write
from tests.unit.shared.small_service import produce

from so8t_shared.errors import InputError
from so8t_shared.running.context import StageContext

STEPS = 30


def note(ctx: StageContext, text: str) -> None:
    """Append a line to the notes beside the store, durably and in one write."""
    with (Path(ctx.config.checkpoint_dir).parent / "notes.txt").open("a") as file:
        file.write(f"{text}\n")


def counting(ctx: StageContext) -> None:
    """Add up the steps and save a checkpoint after each; the step and the Ray worker are noted."""
    done = ctx.checkpoints.names()
    total = int((ctx.checkpoints.load(done[-1]) / "total").read_text()) if done else 0
    for step in range(len(done), STEPS):
        ctx.check_interrupted()
        note(ctx, f"{step} {os.getppid()}")
        total += step * ctx.config.training.seed
        ctx.checkpoints.save(f"step-{step:06d}", write(ctx.scratch_dir / "state", {"total": b"%d" % total}))
        ctx.progress(step + 1, STEPS, "counting")
        time.sleep(0.15)
    write(ctx.output_dir, {"merged/total": b"%d" % total})


def refusing(ctx: StageContext) -> None:
    """Fail for good."""
    note(ctx, "refused")
    raise InputError("The model is cut.", where="model.safetensors", remedy="fetch it again")


def dying_once(ctx: StageContext) -> None:
    """Die as if memory had run out; the second attempt works."""
    notes = Path(ctx.config.checkpoint_dir).parent / "notes.txt"
    first = not notes.exists()
    note(ctx, "attempt")
    if first:
        os.kill(os.getpid(), signal.SIGKILL)
    produce(ctx)
