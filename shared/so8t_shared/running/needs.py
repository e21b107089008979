"""What a stage of a session needs of its host: the table's figures, or the configuration's."""

from __future__ import annotations

from dataclasses import dataclass

from so8t_shared.config.model import Config
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

    No GPU is needed with `device: cpu`, nor for asking a server, which has its own.
    """
    table, asked = stage.resources, config.execution.resources.get(stage.name, {})
    server = table.asks and not engines.BY_NAME[config.ab_test.engine].in_process
    gpus = 0 if config.device == "cpu" or server else table.gpus
    return Needs(
        cpus=asked.get("cpus") or table.cpus,
        memory_gib=asked.get("memory_gib") or table.memory_gib,
        disk_gib=asked.get("disk_gib") or table.disk_gib,
        gpus=asked.get("gpus", gpus),
    )
