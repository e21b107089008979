"""The trainer's stage."""

from __future__ import annotations

from so8t_shared.running.context import StageContext
from so8t_trainer.following import Followed
from so8t_trainer.run import split_only, train_model


def train(ctx: StageContext) -> None:
    """Train model B; for an external one, only split the rows."""
    if ctx.config.external_b:
        split_only(ctx.config, ctx, prepared=ctx.shared_output())
        return
    train_model(ctx.config, ctx, Followed(ctx.live).add, prepared=ctx.shared_output())
