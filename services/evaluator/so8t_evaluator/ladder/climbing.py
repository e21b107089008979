"""The ladder of model B as a part of a run."""

from __future__ import annotations

from pathlib import Path

from so8t_shared.artifacts.digests import DigestCache
from so8t_shared.json_files import write_json
from so8t_shared.ladders.ladder import ask_of_stage, measure, plan
from so8t_shared.progress import Progress
from so8t_shared.results.ladder import LADDER_FILE
from so8t_shared.running.context import StageContext


def climb(ctx: StageContext, splits: Path, progress: Progress) -> None:
    """Measure every rung and write ladder.json; rungs that are done survive a kill.

    Raises:
        So8tError: what a rung's process raised.
        Interrupted: a signal came.
    """
    digests = DigestCache(ctx.artifact.store.local_root / "digests.sqlite")
    asked = ask_of_stage(ctx.upstream.__getitem__, splits, ctx.config, ctx.unfinished_dir / "ladder", digests)
    planned = {source.name: plan(asked, source, ()) for source in asked.sources}
    result = measure(asked, planned, progress, ctx.stop)
    write_json(ctx.output_dir / LADDER_FILE, result)
    for ladder in result.ladders:
        (ctx.log.warning if ladder.lost_at else ctx.log.info)("ladder: %s", ladder.sentence)
