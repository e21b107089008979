"""What the stages of the runner's tests do, and what they leave."""

from __future__ import annotations

import time
from pathlib import Path

from tests.unit.shared.material import (
    FIRST,
    stage_run,
    write,
)

from so8t_shared.artifacts.digests import DigestCache
from so8t_shared.artifacts.fingerprints import fingerprint, stage_key
from so8t_shared.running.context import StageContext
from so8t_shared.running.runner import Outcome
from so8t_shared.sessions.session import Session, open_session
from so8t_shared.store.local import LocalStore

STEPS = 16


def first(ctx: StageContext) -> None:
    """Depends on the configuration alone."""
    write(ctx.output_dir, {"data/x": b"%d" % ctx.config.training.seed, "report.json": b"{}"})


def second(ctx: StageContext) -> None:
    """Depends on the first stage."""
    write(ctx.output_dir, {"y": (ctx.input_dir("first") / "data/x").read_bytes() * 2})


def counting(ctx: StageContext) -> None:
    """Adds up the steps, saves its state at each, and notes in the scratch of the test what it did."""
    done = ctx.checkpoints.names()
    total = int((ctx.checkpoints.load(done[-1]) / "total").read_text()) if done else 0
    for step in range(len(done), STEPS):
        ctx.check_interrupted()
        total += step * ctx.config.training.seed
        state = write(ctx.scratch_dir / "state", {"total": b"%d" % total})
        ctx.checkpoints.save(f"step-{step:06d}", state)
        ctx.progress(step + 1, STEPS, "counting")
        time.sleep(0.02)
    write(ctx.output_dir, {"data/total": b"%d" % total})


def refuse(ctx: StageContext) -> None:
    """Must not be called."""
    raise AssertionError("the stage was computed although its artifact is there")


def reopened(session: Session, store: LocalStore) -> tuple[Session, LocalStore]:
    """As another process opens them."""
    mine = LocalStore(Path(store.location))
    return open_session(mine, session.config), mine


def run_again(session: Session, store: LocalStore) -> Outcome:
    """Run the counting stage as another process does."""
    return stage_run(FIRST, *reopened(session, store)).run(lambda: counting)


def fingerprint_of(store: LocalStore, session: Session) -> str:
    """Of the first stage's artifact."""
    return fingerprint(stage_key(FIRST, session.config, {}, DigestCache(store.local_root / "digests.sqlite")))


def checkpoints_of(store: LocalStore) -> list[str]:
    """Names of all complete checkpoints of all attempts."""
    keys = [key for key in store.list("artifacts") if "/checkpoints/" in key and key.endswith("/manifest.json")]
    return [key.split("/")[-2] for key in keys]
