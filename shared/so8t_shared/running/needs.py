"""What a stage of a session needs of its host: the table's figures, or the configuration's; image and packages."""

from __future__ import annotations

from dataclasses import dataclass

from so8t_shared.config.model import Config
from so8t_shared.distribution import need_extras
from so8t_shared.errors import MissingExtra
from so8t_shared.stages import Stage
from so8t_shared.tables import engines


@dataclass(frozen=True)
class Needs:
    """Figures for one stage."""

    cpus: int
    memory_gib: int
    disk_gib: int
    gpus: int


def needs_of(stage: Stage, config: Config) -> Needs:
    """Return the needs of a stage; `execution.resources` replaces the table's.

    No GPU is needed with `device: cpu`, nor for asking a server, which has its own; other services' code computes here.
    """
    table, asked = stage.resources, config.execution.resources.get(stage.name, {})
    server = table.asks and not engines.BY_NAME[config.ab_test.engine].in_process and not stage.starts(config)
    gpus = 0 if config.device == "cpu" or server else table.gpus
    return Needs(
        cpus=asked.get("cpus") or table.cpus,
        memory_gib=asked.get("memory_gib") or table.memory_gib,
        disk_gib=asked.get("disk_gib") or table.disk_gib,
        gpus=asked.get("gpus", gpus),
    )


def image_of(stage: Stage, config: Config) -> str:
    """Return the name of a stage's image, without registry and tag: the larger one where it starts others' code."""
    return stage.resources.larger if stage.starts(config) else stage.resources.image


def need_others(stage: Stage, config: Config) -> None:
    """Check that the packages of other services whose code the stage starts are installed.

    Raises:
        MissingExtra: names them, the command that installs them, and the image that has them.
    """
    try:
        need_extras(stage.starts(config))
    except MissingExtra as error:
        row = stage.resources
        remedy = f"{error.remedy}; in containers, set {row.chosen_by}={row.larger} in .env and run so8t-ab images"
        raise MissingExtra(
            error.what, where=f"{error.where}, which {stage.name} starts for {row.larger_for}", remedy=remedy
        ) from error
