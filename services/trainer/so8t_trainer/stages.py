"""The trainer's stage."""

from __future__ import annotations

from so8t_shared.running.context import StageContext
from so8t_trainer.following import Followed
from so8t_trainer.run import train_model


def train(ctx: StageContext) -> None:
    """Train model B."""
    train_model(ctx.config, ctx, Followed(ctx.live).add)
